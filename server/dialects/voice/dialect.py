"""`voice.v1`, the server's own protocol: Realtime's events, audio in binary frames, and a say in the voice.

Everything that `server.dialects.realtime.dialect` understands is understood here too. What is added: audio frames
(`voice_frames`) both ways, the voices there are (`x_voices`), events that lower, hold, resume and flush the voice,
where its words lie (`x_words`), the client's word on how much of it was heard (`x_playback`), what each turn
took (`x_turn`, `x_metrics`), what the stages of the pipeline tell (`x_event`, `x_artifact`), and whether anybody is
there (`x_ping`, `x_pong`). docs/protocol.md describes it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import assert_never

from pydantic import Field

from audio.formats import AudioFormat
from server.dialects.realtime.bodies import Body
from server.dialects.realtime.checking import checked, event_ref
from server.dialects.realtime.decode import too_much_audio
from server.dialects.realtime.dialect import RealtimeDialect
from server.dialects.realtime.fields import WireObject
from server.dialects.realtime.items import ItemId
from server.dialects.realtime.limits import RealtimeLimits
from server.dialects.realtime.setting_checks import Json
from server.dialects.voice.frames import (
    HEADER_BYTES,
    WRAP,
    Stream,
    pack_frame,
    unpack_frame,
    usual_head,
    wrong_frame,
)
from server.domain.commands import AppendAudio, Command, Noted
from server.domain.errors import ClientError
from server.domain.events import Event, ResponseAudio, SessionStarted
from server.domain.values import IgnoredSetting, ResumeOffer, SessionConfig
from server.domain.voice_events import (
    ArtifactMade,
    MoveAsked,
    Ping,
    Played,
    Pong,
    StageEventTold,
    TurnEnded,
    TurnTimed,
    VoiceEvent,
    VoiceFlushed,
    VoiceHeld,
    VoicesOffered,
    WordsTimed,
)
from stages.ports import WordTime

PLAYBACK = "x_playback"
PING = "x_ping"


class _PlaybackPart(WireObject):
    item_id: ItemId
    played_samples: int = Field(ge=0, lt=WRAP)
    underruns: int | None = Field(default=None, ge=0, lt=WRAP)


class VoiceDialect:
    """One client's `voice.v1`; implements `server.domain.wire.Dialect`."""

    holds_voice = True
    usual_frame = (str, bytes)

    def __init__(self, realtime: RealtimeDialect, limits: RealtimeLimits | None = None) -> None:
        """`realtime` is the dialect of the same session that speaks everything else."""
        self._realtime = realtime
        self._limits = limits or RealtimeLimits()
        self._came_samples = 0
        self._came_part_bytes = 0
        """Of a sample that a base64 append has cut."""
        self._has_moved = False
        """Whether another node had the session, and the client has not been told."""

    def decode(self, frame: str | bytes) -> Command | Noted:
        """One frame as a command; raises ClientError where there is none."""
        data = self.usual_audio(frame)
        if data is not None:
            return AppendAudio(data)
        if isinstance(frame, bytes):
            return self._microphone(frame)
        event = self._realtime.read(frame)
        kind = event.get("type")
        if kind == PLAYBACK:
            part, ref = checked(_PlaybackPart, event), event_ref(event)
            played = Played(part.item_id, part.played_samples, part.underruns, ref)
            return self._realtime.with_unknown(played, event, _PlaybackPart)
        if kind == PING:
            return self._realtime.with_unknown(Ping(event_ref(event)), event, WireObject)
        command = self._realtime.command(event, (PLAYBACK, PING))
        if isinstance(command, AppendAudio):
            self._count(len(command.data), self._format.bytes_per_sample)
        return command

    def usual_audio(self, frame: str | bytes) -> bytes | None:
        """See `PromptDialect.usual_audio`: what continues the audio before it, counted as come."""
        data: bytes | None
        if isinstance(frame, str):
            data = self._realtime.usual_audio(frame)
        elif frame.startswith(usual_head(self._came_samples)):
            data, format = frame[HEADER_BYTES:], self._format
            if len(data) % format.bytes_per_sample or too_much_audio(len(data), self._limits, format):
                return None
        else:
            return None
        if data is not None:
            self._count(len(data), self._format.bytes_per_sample)
        return data

    def encode(self, event: Event) -> list[str | bytes]:
        """One event as the frames that say it, in order."""
        if isinstance(event, ResponseAudio):
            return [pack_frame(Stream.ANSWER, event.epoch, event.offset_samples, event.data)]
        if isinstance(event, VoiceEvent):
            return [self._realtime.frame(*_body(event))]
        frames = self._realtime.encode(event)
        return (
            [_with_offer(frame, event.resume) for frame in frames]
            if isinstance(event, SessionStarted)
            else frames
        )

    def resumed(self, offer: ResumeOffer, received_events: int) -> str:
        """The first frame over another connection: what has arrived of the client, and how it may come back again."""
        body: Json = {
            "type": "x_resumed",
            "resume": _shown(offer),
            "received_events": received_events,
            "microphone_offset": self._came_samples % WRAP,
        }
        if self._has_moved:
            body["moved"] = True
        self._has_moved = False
        return json.dumps(body)

    def keep(self, unsettled_ms: int) -> str:
        """See `ResumableDialect.keep`."""
        unsettled = unsettled_ms * self._format.rate_hz // 1000
        return json.dumps(
            {"realtime": self._realtime.keep(), "came_samples": max(0, self._came_samples - unsettled)}
        )

    def restore(self, kept: str) -> None:
        """See `ResumableDialect.restore`."""
        read = json.loads(kept)
        self._realtime.restore(read["realtime"])
        self._came_samples = int(read["came_samples"])
        self._has_moved = True

    def _microphone(self, frame: bytes) -> AppendAudio:
        stream, epoch, offset_samples, data = unpack_frame(frame)
        if stream is not Stream.MICROPHONE:
            raise wrong_frame("stream", "must be 0: clients send their microphone")
        if epoch:
            raise wrong_frame("epoch", f"must be 0 for the microphone, not {epoch}")
        format = self._format
        width = format.bytes_per_sample
        if len(data) % width:
            raise wrong_frame("data", f"{len(data)} bytes are no whole samples of {width} bytes")
        fault = too_much_audio(len(data), self._limits, format)
        if fault is not None:
            raise wrong_frame("data", fault)
        expected, problem = self._came_samples % WRAP, None
        if offset_samples != expected:
            problem = _gap(offset_samples, expected)
            self._came_samples = offset_samples
        self._count(len(data), width)
        return AppendAudio(data, None, problem)

    def _count(self, size_bytes: int, sample_bytes: int) -> None:
        samples, self._came_part_bytes = divmod(self._came_part_bytes + size_bytes, sample_bytes)
        self._came_samples += samples

    @property
    def config(self) -> SessionConfig:
        """What the client has configured."""
        return self._realtime.config

    @property
    def ignored(self) -> Sequence[IgnoredSetting]:
        """What of the address that opened the session changes nothing."""
        return self._realtime.ignored

    @property
    def _format(self) -> AudioFormat:
        return self._realtime.config.input_format


def _gap(offset_samples: int, expected: int) -> ClientError:
    return ClientError(
        "audio_gap",
        f"frame.offset: {offset_samples} where {expected} was expected; "
        "the audio is heard as if there were no gap",
        param="frame.offset",
    )


_NAMES: Mapping[type[VoiceEvent], str] = {
    MoveAsked: "x_move",
    VoicesOffered: "x_voices",
    TurnEnded: "x_turn",
}


def _body(event: VoiceEvent) -> Body:
    """The type of an event that Realtime does not have, and its fields."""
    match event:
        case Pong():
            return "x_pong", {}
        case VoiceHeld():
            return f"x_{event.how}", {}
        case VoiceFlushed():
            return "x_flush", {"epoch": event.epoch % WRAP}
        case WordsTimed():  # by hand: `asdict` copies each field of each word
            return "x_words", {"item_id": event.item_id, "words": [*map(_word, event.words)]}
        case MoveAsked() | VoicesOffered() | TurnEnded():
            return _NAMES[type(event)], asdict(event)
        case TurnTimed():
            return "x_metrics", {**asdict(event), "ms": {**event.ms}}
        case StageEventTold():
            return "x_event", _of_stage(event)
        case ArtifactMade():
            return "x_artifact", _of_stage(event)
        case _:
            assert_never(event)


def _word(word: WordTime) -> Json:
    return {"text": word.text, "start_sample": word.start_sample, "end_sample": word.end_sample}


def _with_offer(frame: str | bytes, offer: ResumeOffer | None) -> str | bytes:
    """`session.created`, and how the session may be resumed."""
    if offer is None or isinstance(frame, bytes):
        return frame
    return json.dumps({**json.loads(frame), "x_resume": _shown(offer)})


def _shown(offer: ResumeOffer) -> Json:
    return {"token": offer.token, "grace_ms": round(offer.grace_s * 1000)}


def _of_stage(event: StageEventTold | ArtifactMade) -> Json:
    place: Json = {"response_id": event.response_id, "stage": event.stage, "name": event.name}
    return {**place, "data": json.loads(event.json)}
