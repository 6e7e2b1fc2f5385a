"""What a client secret fixes of a session: the settings it begins with, and those that its client cannot change."""

from dataclasses import dataclass

from pydantic import JsonValue

from server.dialects.realtime.checking import RawEvent, event_ref
from server.dialects.realtime.session import WireSession, render_session
from server.dialects.realtime.setting_checks import Json
from server.domain.commands import AddItem, Command, CreateResponse, Noted
from server.domain.errors import ClientError
from server.domain.values import Item

LOCKABLE = (
    "instructions",
    "output_modalities",
    "max_output_tokens",
    "tools",
    "tool_choice",
    "audio.input.format",
    "audio.input.transcription",
    "audio.input.turn_detection",
    "audio.output.format",
    "audio.output.voice",
    "audio.output.speed",
)
"""Paths in the session object that may be locked."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """The session that a secret opens."""

    session: WireSession
    locked: tuple[str, ...] = ()


class Locks:
    """Holds a client to what is locked. Nothing is changed by a command that is refused."""

    def __init__(self, pinned: Pinned) -> None:
        self._paths = pinned.locked
        self._session = _render(pinned.session) if pinned.locked else {}
        self._mcp = pinned.session.config.mcp

    def check_purpose(self, ref: str | None) -> None:
        """What kind of session it is goes with whatever is locked of it: raises ClientError for another kind."""
        if self._paths:
            raise _locked("session.type", ref)

    def check_session(self, session: WireSession, ref: str | None) -> None:
        """Raises ClientError when the session would differ in a locked setting."""
        rendered = _render(session) if self._paths else {}
        for path in self._paths:
            if _at(rendered, path) != _at(self._session, path):
                raise _locked(f"session.{path}", ref)
        # What is not shown is locked too.
        if "tools" in self._paths and session.config.mcp != self._mcp:
            raise _locked("session.tools", ref)

    def check_command(self, command: Command | Noted, event: RawEvent) -> None:
        """Raises ClientError when a response would differ in a locked setting, or new instructions come as an item."""
        if isinstance(command, Noted):
            self.check_command(command.command, event)
        elif isinstance(command, CreateResponse):
            wanted = event.get("response")
            for path in self._paths:
                value = _at(wanted, path)
                if value is not None and value != _at(self._session, path):
                    raise _locked(f"response.{path}", event_ref(event))
            for n, item in enumerate(command.options.context or ()):
                if isinstance(item, Item):
                    self._check_item(item, f"response.input[{n}]", event)
        elif isinstance(command, AddItem):
            self._check_item(command.item, "item", event)

    def _check_item(self, item: Item, param: str, event: RawEvent) -> None:
        if item.role == "system" and "instructions" in self._paths:
            raise _locked(f"{param}.role", event_ref(event))


def _locked(param: str, ref: str | None) -> ClientError:
    return ClientError(
        "setting_locked",
        f"{param}: is fixed by the client secret that opened this session",
        param=param,
        ref=ref,
    )


def _render(session: WireSession) -> Json:
    return render_session(session, session.config, "", 0)


def _at(value: JsonValue, path: str) -> JsonValue:
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value
