"""The Correct widget: click, join, cut, draw, accept, and let the student learn it."""
