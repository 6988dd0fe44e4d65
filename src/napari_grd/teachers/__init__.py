"""What a student can learn from."""
