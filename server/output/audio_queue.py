"""The audio of one output stream that has not left: in stretches as it comes, taken in chunks as they are sent."""

from collections import deque
from dataclasses import dataclass

import anyio

from audio.formats import AudioFormat
from server.domain.values import Response
from server.domain.voice_events import WordsTimed
from stages.ports import WordTime

BATCH_MS = 40
"""Shorter chunks leave together, as many as fill it: one wake of the writer for all of them."""


@dataclass(slots=True)
class Stretch:
    """Encoded audio and how much of it has left; and the words that it brings, until they have left ahead of it."""

    data: bytes
    response: Response
    item_id: str
    words: tuple[WordTime, ...]
    taken_bytes: int = 0


class AudioQueue:
    """The audio of one output stream. Bounded: who puts waits for room; the one writer of the session takes."""

    def __init__(self, format: AudioFormat, max_queued_s: float, chunk_ms: int) -> None:
        self._bytes_per_sample = format.bytes_per_sample
        self._max_bytes = int(max_queued_s * format.rate_hz) * format.bytes_per_sample
        self._chunk_bytes = chunk_ms * format.rate_hz // 1000 * format.bytes_per_sample
        self._batch_bytes = BATCH_MS * format.rate_hz // 1000 * format.bytes_per_sample
        self.waiting: deque[Stretch] = deque()
        """What is to be taken, audio and words, the next first."""
        self._bytes = 0
        self._moved = anyio.Event()

    @property
    def samples(self) -> int:
        """How much audio waits."""
        return self._bytes // self._bytes_per_sample

    @property
    def next_samples(self) -> int:
        """How long the next chunk is; only while something waits."""
        return self._next_bytes() // self._bytes_per_sample

    @property
    def worth_samples(self) -> int:
        """How much must be due to be worth a wake of the writer; only while something waits."""
        return max(self._next_bytes(), min(self._batch_bytes, self._bytes)) // self._bytes_per_sample

    def put(self, stretch: Stretch) -> None:
        """More audio, words that go ahead of it, or both."""
        self.waiting.append(stretch)
        self._bytes += len(stretch.data)

    def take_words(self) -> WordsTimed | None:
        """The words that go ahead of the next chunk, if there are any."""
        stretch = self.waiting[0]
        if not stretch.words:
            return None
        words, stretch.words = stretch.words, ()
        if not stretch.data:
            self.waiting.popleft()
            self.moved()
        return WordsTimed(stretch.item_id, words)

    def take(self, samples: int) -> tuple[Stretch, bytes]:
        """The next chunk, of `next_samples`; whoever waits for room or for the end is woken, and not for every
        chunk."""
        stretch, size = self.waiting[0], samples * self._bytes_per_sample
        taken = stretch.taken_bytes
        stretch.taken_bytes = taken + size
        if stretch.taken_bytes == len(stretch.data):
            self.waiting.popleft()
        was_full = self._bytes > self._max_bytes
        self._bytes -= size
        if not self.waiting or (was_full and self._bytes <= self._max_bytes):
            self.moved()
        return stretch, stretch.data[taken : taken + size]

    def clear(self) -> None:
        """Throw away what waits."""
        self.waiting.clear()
        self._bytes = 0
        self.moved()

    def moved(self) -> None:
        """Have all who wait look again."""
        self._moved.set()

    async def wait_room(self) -> None:
        """Return when no more waits than may. Cancel-safe."""
        while self._bytes > self._max_bytes:
            await self.wait_moved()

    async def wait_empty(self) -> None:
        """Return when all has been taken or thrown away. Cancel-safe."""
        while self.waiting:
            await self.wait_moved()

    async def wait_moved(self) -> None:
        """Return when there is reason to look again. Cancel-safe."""
        if self._moved.is_set():
            self._moved = anyio.Event()
        await self._moved.wait()

    def _next_bytes(self) -> int:
        stretch = self.waiting[0]
        return min(self._chunk_bytes, len(stretch.data) - stretch.taken_bytes)
