"""Sockets and HTTP on one port: who may come in, keys and origins, TLS, and the page for people.

From the top: `door` (who comes in, HTTP), `page` and `returns` (clients that come back), `requests` and `sockets`. What
the page consists of lies in `web`.
"""
