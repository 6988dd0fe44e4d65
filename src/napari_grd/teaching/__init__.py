"""Teachers: what a student can be distilled from."""
