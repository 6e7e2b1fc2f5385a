"""Wire protocols, one a file: frames in become commands, events become frames; no I/O, no conversation state."""
