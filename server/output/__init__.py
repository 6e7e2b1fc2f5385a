"""The only way to the client: fence, commit gate, pacing, and the one writer of the socket."""
