"""The Distill widget: trains a student from a teacher in the background."""
