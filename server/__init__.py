"""The voice agent server. What may be imported from here is meant for those who compose one in Python."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.config.agents import Agent, Route, tool
    from server.voice_server import VoiceServer

__all__ = ["Agent", "Route", "VoiceServer", "tool"]

_FROM = {
    "Agent": "server.config.agents",
    "Route": "server.config.agents",
    "VoiceServer": "server.voice_server",
    "tool": "server.config.agents",
}


def __getattr__(name: str) -> Any:
    """What is asked for, imported then: the package itself is imported by whoever needs a part of it."""
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_FROM[name]), name)
