"""The voice agent server. What may be imported from here is meant for those who compose one in Python."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.config.agents import Agent, Route
    from server.config.functions import tool
    from server.config.guarding import GuardRule
    from server.config.tool_servers import ToolServer
    from server.voice_server import VoiceServer

__all__ = ["Agent", "GuardRule", "Route", "ToolServer", "VoiceServer", "tool"]

_FROM = {
    "Agent": "server.config.agents",
    "GuardRule": "server.config.guarding",
    "ToolServer": "server.config.tool_servers",
    "Route": "server.config.agents",
    "VoiceServer": "server.voice_server",
    "tool": "server.config.functions",
}


def __getattr__(name: str) -> Any:
    """What is asked for, imported then: the package itself is imported by whoever needs a part of it."""
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _refuse_what_stands_in_the_way()
    return getattr(import_module(_FROM[name]), name)


def _refuse_what_stands_in_the_way() -> None:
    """Raises ImportError for a package of the user's that would be imported in the place of one of ours."""
    home = Path(__file__).parents[1]
    for name in ("audio", "stageflow", "stages"):
        spec = find_spec(name)
        found = Path(spec.origin).parent if spec is not None and spec.origin else None
        if found is not None and found.resolve() != (home / name).resolve():
            raise ImportError(
                f"{found} is imported instead of the server's own package {name!r}: rename it, "
                "or serve your file with `stageflow-voice serve my_app:app`, which it cannot disturb"
            )
