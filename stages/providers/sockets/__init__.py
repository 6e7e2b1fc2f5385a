"""What every provider behind a WebSocket shares: the connection, its failures, replay, and the clock of the audio.

An adapter writes one class that implements `connection.Wire` (what to say first, what to do with a message, what a
lost connection means) and hands it to a `connection.ProviderSocket`; its `session()` view runs sockets in a task group
with `pool.SocketPool`. `faults`, `replay` and `failures` know no loop, clock or socket.
"""
