"""What a configuration file says, for those who need not know how it is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.config.agents import Composition

FILE_NAME = "stageflow-voice.toml"

KINDS = ("stt", "llm", "tts", "vad", "end_of_turn")

_PLACES = {
    **{kind: f"{kind}.use" for kind in KINDS},
    "guard_words": "guard.words",
    "guard_patterns": "guard.patterns",
    "guard_refusal": "guard.refusal",
    "guard_max_chars": "guard.max_chars",
    "mcp_servers": "tools.client_servers",
    "confirmed_tools": "tools.confirmed",
    **{table: table for table in ("limits", "deadlines", "quotas", "keys", "record", "interruption")},
}
"""Where in the file a setting is that is not in `[server]`."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """The content of a configuration file."""

    path: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Values of `Settings`, by field."""
    providers: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """By kind, the table of its provider."""
    composition: Composition = field(default_factory=Composition)
    names_tools: bool = True
    """Whether all tools that the file means are named in it: not so where what names them is wrong."""

    def place_of(self, setting: str) -> str:
        """Where in the file a setting is written."""
        return f"{self.path}: {_PLACES.get(setting, f'server.{setting}')}"


def joined(use: object) -> object:
    """The names of a chain as one, as variables have them; anything else as it is."""
    is_chain = isinstance(use, list | tuple) and use and all(isinstance(name, str) for name in use)
    return ",".join(map(str, use)) if is_chain and isinstance(use, list | tuple) else use
