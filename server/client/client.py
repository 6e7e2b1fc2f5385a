"""A small client of the Realtime protocol and of `voice.v1`: speaks an audio file in real time and collects what
comes back.

Used by `stageflow-voice talk` and by the end-to-end tests. Times are seconds of the event loop.
"""

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, ClassVar, Self

import anyio
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from audio.formats import Samples
from audio.resample import Resampler
from server.client.address import named_url
from server.client.resuming import LineLosses, ResumingConnection, TellLine
from server.dialects.voice.frames import SUBPROTOCOL as VOICE_SUBPROTOCOL
from server.dialects.voice.frames import unpack_frame
from stages.ports import WordTime

WIRE_HZ = 24_000
FRAME_MS = 20
PAUSE_S = 0.2
"""A caller that comes so much too late with the next sample has made a pause; one that is less late catches up."""

AUDIO_FRAME = "audio frame"
"""The type under which the binary frames of `voice.v1` are kept among the events: `epoch`, `offset_samples`, and
`samples`, of which there are so many."""


@dataclass(slots=True)
class Received:
    """One server event and when it came."""

    at_s: float
    event: dict[str, Any]

    @property
    def type(self) -> str:
        """The event's type."""
        return str(self.event["type"])


@dataclass(slots=True)
class SeenSession:
    """What a client has seen of one session."""

    received: list[Received] = field(default_factory=list)
    audio: list[Samples] = field(default_factory=list)

    def first(self, type: str) -> Received | None:
        """The first event of a type."""
        return next((seen for seen in self.received if seen.type == type), None)

    def count(self, type: str) -> int:
        """How many events of a type."""
        return sum(seen.type == type for seen in self.received)

    def texts(self, type: str, key: str) -> list[str]:
        """One field of all events of a type."""
        return [str(seen.event[key]) for seen in self.received if seen.type == type]

    def events(self) -> list[dict[str, Any]]:
        """All events, in order."""
        return [seen.event for seen in self.received]

    def words(self, item_id: str) -> list[WordTime]:
        """The words of a spoken item and where they lie in its audio, as far as the server has told (`x_words`)."""
        return [
            WordTime(**word)
            for seen in self.received
            if seen.type == "x_words" and seen.event["item_id"] == item_id
            for word in seen.event["words"]
        ]

    def samples(self) -> Samples:
        """All the audio that came, `int16[n]` at 24 kHz."""
        return np.concatenate(self.audio) if self.audio else np.zeros(0, np.int16)


class SendingPace:
    """When samples are due that are sent in real time, by however many calls."""

    def __init__(self) -> None:
        self.due_s = -math.inf
        """When the next sample is due, in the time of the event loop."""

    def begin(self, now_s: float) -> float:
        """When the first sample of a call is due: right after those before, or now if there was a pause."""
        if now_s - self.due_s > PAUSE_S:
            self.due_s = now_s
        return self.due_s

    def sent(self, samples: int) -> float:
        """When that is due which comes after so many samples."""
        self.due_s += samples / WIRE_HZ
        return self.due_s


class RealtimeClient:
    """One session with a server, as an async context manager."""

    patience_s: ClassVar[float] = 30.0
    """With a server that is to take the first connection, or to say what is waited for."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        voice: bool = False,
        heartbeat_s: float = 5.0,
        tell_line: TellLine = lambda _: None,
    ) -> None:
        """With `voice` it speaks `voice.v1`, without holding back what it is sent: it has no loudspeaker; and it comes
        back by itself when the line is lost, which it notices after two of the `heartbeat_s`, or sooner. It calls
        `tell_line` then, as `ResumingConnection` does."""
        self._url = named_url(url) if voice else url
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else None
        self._is_voice = voice
        self._heartbeat_s = heartbeat_s if voice else 20.0
        self._open_s = self.patience_s
        """How long the next handshake may take: the tries to come back begin with little, and have more each."""
        self.line = LineLosses(tell=tell_line)
        self._connection: ResumingConnection
        self._pace = SendingPace()
        self._reply_id = ""
        """Of the response whose frames come."""
        self.call = SeenSession()

    async def __aenter__(self) -> Self:
        self._connection = ResumingConnection(
            await self._connect(()),
            self._connect,
            self.line.changed,
            comes_back=self._is_voice,
            greeting_s=2 * self._heartbeat_s,
        )
        return self

    async def _connect(self, offers: Sequence[str]) -> ClientConnection:
        spoken = (VOICE_SUBPROTOCOL, *offers) if self._is_voice else ()
        open_s, self._open_s = self._open_s, min(2 * self._open_s, self.patience_s)
        socket = await connect(
            self._url,
            additional_headers=self._headers,
            subprotocols=[Subprotocol(offer) for offer in spoken] or None,
            compression=None,
            max_size=None,
            max_queue=None,  # unread audio must not keep the connection from closing
            open_timeout=open_s,
            close_timeout=min(10.0, 2 * self._heartbeat_s),
            ping_interval=self._heartbeat_s,
            ping_timeout=self._heartbeat_s,
        )
        self._open_s = max(1.0, 2 * self._heartbeat_s)
        return socket

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.close()

    async def send(self, type: str, **fields: Any) -> None:
        """Send one event."""
        await self._connection.send(json.dumps({"type": type, **fields}))

    async def send_raw(self, frame: str | bytes) -> None:
        """Send a frame as it is."""
        await self._connection.send(frame)

    async def show_transcripts(self) -> None:
        """Ask to be told what is recognised."""
        session = {"type": "realtime", "audio": {"input": {"transcription": {"model": "default"}}}}
        await self.send("session.update", session=session)

    async def receive(self) -> Received | None:
        """The next event or audio frame, None when the connection is over."""
        try:
            frame = await self._connection.recv()
        except ConnectionClosed:
            return None
        event = self._take_audio(frame) if isinstance(frame, bytes) else json.loads(frame)
        seen = Received(anyio.current_time(), event)
        self.call.received.append(seen)
        if seen.type == "response.created":
            self._reply_id = seen.event["response"]["id"]
        if seen.type == "response.output_audio.delta":
            self.call.audio.append(np.frombuffer(base64.b64decode(seen.event["delta"]), dtype="<i2"))
        return seen

    def _take_audio(self, frame: bytes) -> dict[str, Any]:
        _, epoch, offset_samples, data = unpack_frame(frame)
        samples = np.frombuffer(data, dtype="<i2")
        self.call.audio.append(samples)
        return {
            "type": AUDIO_FRAME,
            "response_id": self._reply_id,
            "epoch": epoch,
            "offset_samples": offset_samples,
            "samples": len(samples),
        }

    async def receive_until(self, *types: str, timeout_s: float | None = None) -> Received:
        """Events up to the first of these types. Raises TimeoutError, by default after `patience_s`, or EOFError when
        the server closes."""
        with anyio.fail_after(self.patience_s if timeout_s is None else timeout_s):
            while (seen := await self.receive()) is not None:
                if seen.type in types:
                    return seen
        raise EOFError(f"the server closed with {self.close_code} before {' or '.join(types)}")

    def vanish(self) -> None:
        """Break the connection without a word, as a lost network does."""
        self._connection.socket.transport.abort()

    @property
    def close_code(self) -> int | None:
        """The close code, once the connection is over."""
        return self._connection.socket.close_code

    @property
    def close_reason(self) -> str | None:
        """The reason that came with the close code."""
        return self._connection.socket.close_reason

    async def speak(self, samples: Samples, rate_hz: int) -> float:
        """Send `int16[n]` in frames of 20 ms, in real time: it returns when the last has been said, and the next call
        goes on from there. Tells when the first was. Cancel-safe: it stops between two frames."""
        wire = Resampler(rate_hz, WIRE_HZ).process(samples, last=True)
        size = WIRE_HZ * FRAME_MS // 1000
        began_s = self._pace.begin(anyio.current_time())
        await anyio.sleep_until(began_s)
        for start in range(0, len(wire), size):
            frame = wire[start : start + size]
            audio = base64.b64encode(frame.astype("<i2").tobytes()).decode()
            await self.send("input_audio_buffer.append", audio=audio)
            await anyio.sleep_until(self._pace.sent(len(frame)))
        return began_s

    async def stay_silent(self, seconds: float) -> None:
        """Send silence in real time."""
        await self.speak(np.zeros(round(WIRE_HZ * seconds), np.int16), WIRE_HZ)
