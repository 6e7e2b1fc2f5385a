"""ElevenLabs over WebSockets: Scribe as recogniser, and its voices."""
