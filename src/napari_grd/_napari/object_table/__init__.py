"""The table of objects that the Measure and Evaluate widgets share, linked to its Labels layer."""
