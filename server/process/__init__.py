"""A process that serves: the server with its port open, the signals that it obeys, and its configuration read anew.

`serving` is what the command `serve` and `VoiceServer.run` do; `listening_server` is the part that tests use as well.
"""
