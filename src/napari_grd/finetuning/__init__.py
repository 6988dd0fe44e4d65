"""Fine-tuning of a student on corrected objects."""
