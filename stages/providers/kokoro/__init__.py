"""Kokoro-82M on this machine's CPU: natural voices, for CPUs that keep up with them."""
