"""The Live widget: instances where one looks."""
