"""A session's life: what it is made of, what it obeys, and what it reports of every turn."""
