"""The vocabulary of the method: offsets, affinities, instance graphs, partition."""
