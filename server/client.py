"""A small client of the Realtime protocol: speaks an audio file in real time and collects what comes back.

Used by `stageflow-voice talk` and by the end-to-end tests. Times are seconds of the event loop.
"""

import base64
import json
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import anyio
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from audio.formats import Samples
from audio.resample import Resampler

WIRE_HZ = 24_000
FRAME_MS = 20


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
class Call:
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

    def samples(self) -> Samples:
        """All the audio that came, `int16[n]` at 24 kHz."""
        return np.concatenate(self.audio) if self.audio else np.zeros(0, np.int16)


class RealtimeClient:
    """One session with a server, as an async context manager."""

    def __init__(self, url: str, *, api_key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else None
        self._connecting = connect(
            url, additional_headers=headers, compression=None, max_size=None, max_queue=None
        )  # unread audio must not keep the connection from closing
        self._connection: ClientConnection
        self.call = Call()

    async def __aenter__(self) -> Self:
        self._connection = await self._connecting
        return self

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
        """The next event, None when the connection is over."""
        try:
            frame = await self._connection.recv()
        except ConnectionClosed:
            return None
        seen = Received(anyio.current_time(), json.loads(frame))
        self.call.received.append(seen)
        if seen.type == "response.output_audio.delta":
            self.call.audio.append(np.frombuffer(base64.b64decode(seen.event["delta"]), dtype="<i2"))
        return seen

    async def receive_until(self, *types: str, timeout_s: float = 30.0) -> Received:
        """Events up to the first of these types. Raises TimeoutError, or EOFError when the server closes."""
        with anyio.fail_after(timeout_s):
            while (seen := await self.receive()) is not None:
                if seen.type in types:
                    return seen
        raise EOFError(f"the server closed with {self.close_code} before {' or '.join(types)}")

    def vanish(self) -> None:
        """Break the connection without a word, as a lost network does."""
        self._connection.transport.abort()

    @property
    def close_code(self) -> int | None:
        """The close code, once the connection is over."""
        return self._connection.close_code

    @property
    def close_reason(self) -> str | None:
        """What came with it."""
        return self._connection.close_reason

    async def speak(self, samples: Samples, rate_hz: int) -> None:
        """Send `int16[n]` in frames of 20 ms, in real time. Cancel-safe: it stops between two frames."""
        wire = Resampler(rate_hz, WIRE_HZ).process(samples, last=True)
        size = WIRE_HZ * FRAME_MS // 1000
        started_s = anyio.current_time()
        for number, start in enumerate(range(0, len(wire), size)):
            await anyio.sleep_until(started_s + number * FRAME_MS / 1000)
            audio = base64.b64encode(wire[start : start + size].astype("<i2").tobytes()).decode()
            await self.send("input_audio_buffer.append", audio=audio)

    async def stay_silent(self, seconds: float) -> None:
        """Send silence in real time."""
        await self.speak(np.zeros(int(WIRE_HZ * seconds), np.int16), WIRE_HZ)
