"""Deepgram over WebSockets: Nova and Flux as recognisers, Aura as voice."""
