"""Losses, memory bank, objective and the trainer."""
