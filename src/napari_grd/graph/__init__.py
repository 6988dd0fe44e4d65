"""The graphs of the method: offsets, affinities, instance graphs, partition."""
