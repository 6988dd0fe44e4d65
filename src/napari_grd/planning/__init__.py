"""Estimates of time and memory of a distillation, before it starts."""
