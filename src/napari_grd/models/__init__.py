"""Networks, their registry, and the Model type."""
