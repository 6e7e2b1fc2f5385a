"""Wire protocols, one a file: frames to commands, events to frames; no I/O, no conversation state."""
