"""Events as frames of the Realtime protocol, in the order and with the fields that stock clients rely on.

Audio and text deltas are written by templates; everything else is a small dict (`bodies`) on its way to JSON.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict

from pybase64 import b64encode_as_string

from server.dialects.realtime.bodies import Body, place_of, plain_bodies, transcript_body
from server.dialects.realtime.objects import render_item, render_response, render_status, render_usage
from server.dialects.realtime.session import WireSession, render_session
from server.dialects.realtime.setting_checks import Json
from server.domain.events import (
    ConversationEvent,
    ResponseAudio,
    ResponseEnded,
    ResponseStarted,
    ResponseText,
    SessionConfigured,
    SessionStarted,
    TranscriptFailed,
    TranscriptFinal,
    TranscriptPartial,
)
from server.domain.ids import Ids
from server.domain.values import IgnoredSetting, SessionConfig

_as_json = json.JSONEncoder(separators=(",", ":")).encode
"""Made once: `json.dumps` makes an encoder for each call that asks for separators."""

_NO_LIMITS: Body = ("rate_limits.updated", {"rate_limits": []})

_GIVEN_BY_SERVER = ("id", "object", "expires_at", "model")
"""What a client reads in its session, and cannot set."""

_DELTA = {"audio": "response.output_audio_transcript.delta", "text": "response.output_text.delta"}


class RealtimeEncoder:
    """Writes the frames of one session. Keeps identities, nothing of the conversation."""

    def __init__(self, ids: Ids) -> None:
        """`ids`, the session's, number what the client is told."""
        self._new_event_id = ids.new_event
        self._conversation_id = ""
        self._session_id = ""
        self._expires_at_s = 0
        self._place_of: tuple[str, str, str] = ("", "", "")

    def encode(
        self, event: ConversationEvent, session: WireSession, ignored: Sequence[IgnoredSetting] = ()
    ) -> list[str | bytes]:
        """The frames that say `event`; `session` holds what is only echoed, `ignored` what changed nothing when the
        session was opened."""
        match event:
            case ResponseAudio():
                return [self.audio_delta(event)]
            case ResponseText():
                return [self._text_delta(event)]
            case TranscriptPartial() | TranscriptFinal() | TranscriptFailed():
                bodies = [transcript_body(event)] if session.config.transcription else []
            case SessionStarted():
                self._session_id, self._expires_at_s = event.session_id, event.expires_at_s
                self._conversation_id = event.conversation_id
                body = self._session(session, event.config, ignored, event.restored)
                bodies = [("session.created", body)]
            case SessionConfigured():
                bodies = [("session.updated", self._session(session, event.config, event.ignored))]
            case ResponseStarted():
                shown = render_response(event.response, self._conversation_id)
                bodies = [("response.created", {"response": shown})]
            case ResponseEnded():
                # Nobody is limited here, and clients that look for limits are told so.
                bodies = [("response.done", {"response": self._ended(event)}), _NO_LIMITS]
            case _:
                bodies = plain_bodies(event)
        return [self.frame(kind, fields) for kind, fields in bodies]

    def _session(
        self,
        session: WireSession,
        config: SessionConfig,
        ignored: Sequence[IgnoredSetting],
        restored: Sequence[str] = (),
    ) -> Json:
        shown = render_session(session, config, self._session_id, self._expires_at_s)
        if ignored:
            shown["x_ignored"] = [asdict(setting) for setting in ignored]
        if restored:
            shown["x_restored"] = list(restored)
        return {"session": shown}

    def _ended(self, event: ResponseEnded) -> Json:
        return {
            **render_response(event.response, self._conversation_id),
            "status": event.status,
            "status_details": render_status(event),
            "output": [render_item(item) for item in event.items],
            "usage": render_usage(event.usage),
        }

    def keep(self, session: WireSession) -> Json:
        """Who the session is, and its settings."""
        shown = render_session(session, session.config, self._session_id, self._expires_at_s)
        return {"session": shown, "conversation_id": self._conversation_id}

    def restore(self, kept: Json) -> Json:
        """Be that session; returns its settings, as a client would give them."""
        shown = kept["session"]
        if not isinstance(shown, dict):
            raise ValueError("no session was kept")
        self._session_id, self._expires_at_s = str(shown["id"]), int(str(shown["expires_at"]))
        self._conversation_id = str(kept["conversation_id"])
        return {name: value for name, value in shown.items() if name not in _GIVEN_BY_SERVER}

    def frame(self, kind: str, fields: Json) -> str:
        """One event of the type `kind`, with the next id."""
        return _as_json({"type": kind, "event_id": self._new_event_id(), **fields})

    def audio_delta(self, event: ResponseAudio) -> str:
        """The frame of a chunk of audio."""
        return (
            f'{{"type":"response.output_audio.delta","event_id":"{self._new_event_id()}",'
            f'{self._place(event)},"delta":"{b64encode_as_string(event.data)}"}}'
        )

    def _text_delta(self, event: ResponseText) -> str:
        return (
            f'{{"type":"{_DELTA[event.response.modality]}","event_id":"{self._new_event_id()}",'
            f'{self._place(event)},"delta":{json.dumps(event.delta)}}}'
        )

    def _place(self, event: ResponseAudio | ResponseText) -> str:
        """The fields that all deltas of an answer share, written once."""
        response_id, item_id, written = self._place_of
        if response_id != event.response.id or item_id != event.item_id:
            written = _as_json(place_of(event.response, event.item_id))[1:-1]
            self._place_of = (event.response.id, event.item_id, written)
        return written
