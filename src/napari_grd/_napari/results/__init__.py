"""The Measure and Evaluate widgets: what was found, in numbers."""
