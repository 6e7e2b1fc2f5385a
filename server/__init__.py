"""The server: one session, its floor, its wire and its limits, in rooms; each says in its `__init__` what it holds."""
