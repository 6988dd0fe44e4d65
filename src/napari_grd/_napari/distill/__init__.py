"""The Distill widget: from a teacher to a student, while one works on."""
