"""Programs that make a model's files of what its wheel holds; each runs in a process and an environment of its own."""
