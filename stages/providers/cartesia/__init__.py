"""Cartesia over WebSockets: Ink as recogniser, Sonic as voice."""
