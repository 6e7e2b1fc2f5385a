"""The server: one session, its floor, its wire and its limits, composed from the packages below."""
