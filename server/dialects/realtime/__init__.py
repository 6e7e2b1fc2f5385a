"""OpenAI's Realtime protocol: frames to commands, events to frames, and every limit of a frame."""
