"""Several providers of one kind as one: the next takes over from one that fails or is late."""
