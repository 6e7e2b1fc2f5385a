"""Services on real sockets that speak as the hosted ones do, check their client strictly, and misbehave on order.

For tests of adapters: `serving(service, faults)` listens on a free port. `coded` puts words into samples, so that a
fake hears exactly what it was sent, and a test reads exactly what was spoken.
"""
