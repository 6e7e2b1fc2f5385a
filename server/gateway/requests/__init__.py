"""Requests as values: whose address and key they have, and the answers to them."""
