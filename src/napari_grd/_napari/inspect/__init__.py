"""The Inspect widget: embeddings, affinities and the instance graph as layers."""
