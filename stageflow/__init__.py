"""A small pipeline framework: stages, ports, a checked graph, streams between stages. Knows nothing of voice."""
