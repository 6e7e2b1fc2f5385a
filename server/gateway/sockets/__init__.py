"""Connections: metered input, the memory of large frames, TLS, and where the server listens."""
