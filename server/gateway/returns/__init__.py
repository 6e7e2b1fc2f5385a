"""Clients that come back to their session, and sessions that change their node."""
