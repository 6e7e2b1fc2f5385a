"""`voice.v1`, the server's own protocol: Realtime's events, audio in binary frames, and a say in the voice."""
