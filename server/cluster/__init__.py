"""What several processes of one server must agree on: how much of their quotas keys and addresses have used.

`store.py` has the interface, and the memory of this process behind it, which is all that one node needs. A store that
several nodes share keeps to the same interface; it is asked
a few times a connection and once a response, never for audio.
"""
