"""The public protocol of the server: OpenAI Realtime (its general-availability shape), one object a client.

Text frames with one JSON object each; audio is base64 inside them. `decode` turns what a client
says into commands, `encode` turns events into what it is told, `session` is the session
object of both. Images are not for this server: they are left out of their items, and an error says so.
"""

from collections.abc import Sequence
from dataclasses import replace

from pydantic import BaseModel

from server.dialects.realtime.checking import RawEvent, event_ref
from server.dialects.realtime.commands import (
    APPEND,
    CREATE_RESPONSE,
    MODELS,
    UPDATE,
    check_choice,
    noted,
    session_part,
    to_command,
)
from server.dialects.realtime.decode import append_audio, read_event, usual_audio
from server.dialects.realtime.encode import RealtimeEncoder
from server.dialects.realtime.fields import SessionPart, WireObject
from server.dialects.realtime.ignored import IgnoredSettings
from server.dialects.realtime.limits import RealtimeLimits
from server.dialects.realtime.locks import Locks, Pinned
from server.dialects.realtime.mcp_tools import mcp_servers
from server.dialects.realtime.session import WireSession, merge, settled, type_of
from server.dialects.realtime.setting_checks import Json
from server.dialects.realtime.unknown import UnknownKeys
from server.domain.commands import AppendAudio, Command, Configure, Noted, Order
from server.domain.errors import ClientError
from server.domain.events import Event, ResponseAudio
from server.domain.ids import Ids
from server.domain.values import Abilities, SessionConfig
from server.domain.voice_events import VoiceEvent

_APPEND_KEYS = frozenset({"type", "event_id", "audio"})


class RealtimeDialect:
    """One client's Realtime protocol; implements `server.domain.wire.Dialect`.

    `defaults` is the configuration that the session starts with, and that null in an update brings back.
    """

    holds_voice = False
    usual_frame = str

    def __init__(
        self,
        defaults: SessionConfig,
        limits: RealtimeLimits | None = None,
        *,
        pinned: Pinned | None = None,
        abilities: Abilities | None = None,
        ids: Ids | None = None,
        address: str = "",
    ) -> None:
        """`pinned` is what a client secret fixes of the session; its settings are the defaults then. Without
        `abilities` no wish is beyond the server. What has no id yet gets one of `ids`, the session's. `address` is
        what the session was opened with, query and all."""
        pinned = pinned or Pinned(WireSession(defaults))
        self._defaults = pinned.session.config
        self._locks = Locks(pinned)
        self._limits = limits or RealtimeLimits()
        config = settled(pinned.session.config)
        if config.trusts_items is bool(pinned.locked):
            config = replace(config, trusts_items=not pinned.locked)
        self._session = replace(pinned.session, config=config)
        self._updates = 0
        self._unknown = UnknownKeys()
        self._ignored = IgnoredSettings(abilities or Abilities())
        self.ignored = self._ignored.at_start(self._session.config, address)
        """What of the address that opened the session changes nothing."""
        self._ids = ids or Ids()
        self._encoder = RealtimeEncoder(self._ids)

    def decode(self, frame: str | bytes) -> Command | Noted:
        """One frame as a command; raises ClientError, with the client's event id, where there is none."""
        data = self.usual_audio(frame)
        return self.command(self.read(frame)) if data is None else AppendAudio(data)

    def usual_audio(self, frame: str | bytes) -> bytes | None:
        """See `PromptDialect.usual_audio`."""
        if type(frame) is not str:
            return None
        return usual_audio(frame, self._limits, self._session.config.input_format)

    def read(self, frame: str | bytes) -> RawEvent:
        """One frame as a JSON object; raises ClientError where there is none."""
        return read_event(frame, self._limits)

    def command(self, event: RawEvent, beside: Sequence[str] = ()) -> Command | Noted:
        """A JSON object as a command; raises ClientError, with the client's event id, where there is none. `beside`:
        see `to_command`."""
        kind, ref = event.get("type"), event_ref(event)
        if kind == APPEND:
            heard = append_audio(event, self._limits, self._session.config.input_format)
            return heard if _APPEND_KEYS.issuperset(event) else replace(heard, problem=self._unread(event))
        problems: list[ClientError | None] = []
        command: Order | Noted
        if kind == UPDATE:
            part = session_part(event)
            command = self._configure(event, part)
            problems.append(self._ignored.of_language(part, ref))
        else:
            command = to_command(event, self._session.config, self._limits, self._ids, beside)
            self._locks.check_command(command, event)
            if kind == CREATE_RESPONSE:
                problems.append(self._ignored.of_response(event.get("response"), ref))
        obeyed = noted(command, [problem for problem in problems if problem is not None])
        return self.with_unknown(obeyed, event, MODELS.get(str(kind), WireObject))

    def with_unknown(self, command: Order | Noted, event: RawEvent, model: type[BaseModel]) -> Order | Noted:
        """The command, and beside it the keys of its event that `model` does not know, as far as they were not told."""
        problem = self._unknown.problem(event, model, event_ref(event))
        return command if problem is None else noted(command, [problem])

    def encode(self, event: Event) -> list[str | bytes]:
        """One event as the frames that say it, in order; none for what the client did not ask to see."""
        if isinstance(event, ResponseAudio):  # nearly all there is
            return [self._encoder.audio_delta(event)]
        if isinstance(event, VoiceEvent):
            return []  # this protocol has no words for it
        return self._encoder.encode(event, self._session, self.ignored)

    def frame(self, kind: str, fields: Json) -> str:
        """An event that Realtime does not have, for a dialect that builds on this one."""
        return self._encoder.frame(kind, fields)

    def keep(self) -> Json:
        """What another dialect of its kind needs to go on; no header of a server of tools is in it."""
        return self._encoder.keep(self._session)

    def restore(self, kept: Json) -> None:
        """Go on where another has ended. Raises ValueError for what it has not kept, or may not be."""
        session = self._encoder.restore(kept)
        try:
            self._configure({"type": UPDATE}, session_part({"type": UPDATE, "session": session}))
        except ClientError as error:
            raise ValueError(error.message) from error

    @property
    def config(self) -> SessionConfig:
        """What the client has configured."""
        return self._session.config

    def _unread(self, event: RawEvent) -> ClientError | None:
        return self._unknown.problem(event, MODELS[APPEND], event_ref(event))

    def _configure(self, event: RawEvent, part: SessionPart) -> Configure:
        ref, kind = event_ref(event), type_of(self._session.config)
        if part.type not in (None, kind):
            self._locks.check_purpose(ref)
        if self._updates and part.type not in (None, kind):
            message = f"session.type: cannot change any more, it is {kind!r}"
            raise ClientError("invalid_value", message, param="session.type", ref=ref)
        mcp = mcp_servers(part.tools, "session.tools", self._limits.hosting, ref)
        session = merge(self._session, part, self._defaults, mcp)
        if "tool_choice" in part.model_fields_set:
            check_choice(session.config, "session.tool_choice", ref)
        self._locks.check_session(session, ref)
        self._session = session
        self._updates += 1
        return Configure(session.config, ref, self._ignored.of_session(part, session.config))
