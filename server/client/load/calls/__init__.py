"""Calls: callers go through their scenarios, over connections, at the pace of one clock; and the facts of them."""
