"""A Wyoming server of a recogniser and a voice, on a free port; it misbehaves on order.

Of the faults, `refuse_in_band`, `silent`, `cut_after`, `garbage_after`, `zero_audio`, `piece_bytes`, `delay_s` and
`connections` apply; a message of the service is an event. Needs the package `wyoming`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio
import anyio.abc
import numpy as np
from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.tts import Synthesize

from stages.providers.wyoming.connection import EventPipe
from stages.testing.servers.coded import CodedWords, coded_speech
from stages.testing.servers.faults import NONE, Faults

VOICES = ("calm", "lively")


@dataclass
class FakeWyoming:
    """Hears coded words, and speaks in coded characters."""

    coded: CodedWords
    streams: bool = True
    """Whether texts come in pieces."""
    voice_hz: int = 22_050
    faults: Faults = NONE
    uri: str = ""
    events: list[Event] = field(default_factory=list)
    """What the clients sent."""
    complaints: list[str] = field(default_factory=list)
    connections: int = 0
    open_connections: int = 0
    changed: anyio.Event = field(default_factory=anyio.Event, repr=False)
    """Set, and made anew, at the end of every connection."""

    async def left_alone(self) -> None:
        """Wait until no client is connected; the caller has the deadline."""
        while self.open_connections:
            await self.changed.wait()

    async def handle(self, stream: anyio.abc.SocketStream) -> None:
        """One connection: one utterance, or one text."""
        number, self.connections = self.connections, self.connections + 1
        hit = self.faults.connections is None or number < self.faults.connections
        self.open_connections += 1
        try:
            async with stream:
                await _Conversation(self, EventPipe(stream), stream, self.faults if hit else NONE).run()
        except (
            anyio.BrokenResourceError,
            anyio.ClosedResourceError,
            anyio.EndOfStream,
            anyio.IncompleteRead,
        ):
            pass
        finally:
            self.open_connections -= 1
            self.changed.set()
            self.changed = anyio.Event()


class _Cut(anyio.BrokenResourceError):
    pass


class _Conversation:
    """One connection."""

    def __init__(
        self, server: FakeWyoming, pipe: EventPipe, stream: anyio.abc.SocketStream, faults: Faults
    ) -> None:
        self._server = server
        self._pipe = pipe
        self._stream = stream
        self._faults = faults
        self._told = 0
        self._ear = server.coded.ear()
        self._words: list[str] = []

    async def run(self) -> None:
        """Until it has been answered, or the client leaves."""
        if self._faults.refuse_in_band:
            await self._pipe.send(Error(text="not loaded", code="no-model").event())
            self._faults = replace(self._faults, silent=True)
        while (event := await self._pipe.receive()) is not None:
            self._server.events.append(event)
            if self._faults.silent:
                continue
            if await self._answered(event):
                return

    async def _answered(self, event: Event) -> bool:
        if Synthesize.is_type(event.type):
            await self._speak(Synthesize.from_event(event))
            return True
        if AudioChunk.is_type(event.type):
            self._hear(AudioChunk.from_event(event))
        elif AudioStop.is_type(event.type):
            self._words += [word.text for word in self._ear.flush()]
            await self._tell_text(" ".join(self._words))
            return True
        elif not (Transcribe.is_type(event.type) or AudioStart.is_type(event.type)):
            self._server.complaints.append(f"unknown event {event.type!r}")
        return False

    def _hear(self, chunk: AudioChunk) -> None:
        if (chunk.rate, chunk.width, chunk.channels) != (self._server.coded.rate_hz, 2, 1):
            self._server.complaints.append(f"audio at {chunk.rate} Hz")
        self._words += [word.text for word in self._ear.push(np.frombuffer(chunk.audio, np.int16))]

    async def _tell_text(self, text: str) -> None:
        if self._server.streams:
            await self._tell(TranscriptStart().event())
            for at, word in enumerate(text.split()):
                await self._tell(TranscriptChunk(word if not at else f" {word}").event())
        await self._tell(Transcript(text, language="en").event())
        if self._server.streams:
            await self._tell(TranscriptStop().event())

    async def _speak(self, asked: Synthesize) -> None:
        name = asked.voice.name if asked.voice else None
        if name is not None and name not in VOICES:
            await self._tell(Error(text=f"no voice {name!r}").event())
            return
        rate_hz = self._server.voice_hz
        audio = {"rate": rate_hz, "width": 2, "channels": 1}
        samples = coded_speech(asked.text, rate_hz=rate_hz, voice=VOICES.index(name) if name else 0)
        pcm = b"" if self._faults.zero_audio else samples.tobytes()
        await self._tell(AudioStart(**audio).event())
        size = self._faults.piece_bytes or 4096
        first = 400 if size == 1 else len(pcm)
        pieces = [pcm[at : at + size] for at in range(0, min(first, len(pcm)), size)]
        for piece in [*pieces, pcm[first:]]:
            if piece:
                await self._tell(AudioChunk(audio=piece, **audio).event())
        await self._tell(AudioStop().event())

    async def _tell(self, event: Event) -> None:
        faults = self._faults
        await anyio.sleep(faults.delay_s)
        if faults.cut_after is not None and self._told >= faults.cut_after:
            raise _Cut
        if faults.garbage_after is not None and self._told >= faults.garbage_after:
            await self._stream.send(b'\x00{"type": ["what"\n')
        self._told += 1
        await self._pipe.send(event)


@asynccontextmanager
async def serving_wyoming(server: FakeWyoming) -> AsyncIterator[FakeWyoming]:
    """Serve until the block ends. Raises AssertionError with all complaints about the client."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        server = replace(server, uri=f"tcp://127.0.0.1:{port}")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, server.handle)
            yield server
            tasks.cancel_scope.cancel()
    if server.complaints:
        raise AssertionError("the client does not speak the protocol:\n" + "\n".join(server.complaints))
