"""Sockets and HTTP on one port: who may come in, keys and origins, TLS, and the page for people (`web/`)."""
