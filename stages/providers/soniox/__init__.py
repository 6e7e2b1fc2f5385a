"""Soniox over WebSockets: a recogniser that makes audio final on demand, and voices by contexts."""
