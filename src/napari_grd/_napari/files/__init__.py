"""What is dropped on the window, and what is saved from it."""
