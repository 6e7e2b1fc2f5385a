"""The output stream of one run: held until the commit gate opens, then paced, and shut when the answer is taken back.

It starts HELD: what is sent into it waits, bounded, until `commit` lets it out or `shut` throws it away. Audio is
paced: at most a lead beyond what has been played, so that silence never depends on the client throwing much away.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import Protocol

import anyio

from audio.formats import AudioFormat
from audio.pacing import Pacer
from server.domain.events import Event, ResponseAudio, ResponseItemStarted, ResponseStarted, ResponseText
from server.domain.values import Response
from server.domain.voice_events import WordsTimed
from server.output.audio_queue import AudioQueue, Stretch
from server.output.shown_words import ShownWords
from stages.ports import WordTime

MAX_HELD_EVENTS = 2000
"""Events that a held output keeps before whoever speaks into it must wait: far more than a spoken answer
has."""


OnAudible = Callable[[], None]
"""Is told that the first audio of a stream has left."""


class StreamState(StrEnum):
    """Whether what is put into an output stream comes out."""

    HELD = "held"
    OPEN = "open"
    SHUT = "shut"


class Outlet(Protocol):
    """Where an output stream leads to, once it is open."""

    lead_ms: int
    chunk_ms: int
    max_queued_audio_s: float

    def put(self, event: Event) -> None:
        """Send an event as soon as the socket takes it."""

    def wake(self) -> None:
        """Look again whether there is audio to send."""


class OutputStream:
    """One run's way to the client. Made by `Outbound.output`; the run writes, only `Outbound` reads."""

    def __init__(self, outlet: Outlet, format: AudioFormat, epoch: int, on_audible: OnAudible) -> None:
        self._outlet = outlet
        self.rate_hz = format.rate_hz
        self.epoch = epoch
        self.pacer = Pacer(format.rate_hz, outlet.lead_ms)
        self.state = StreamState.HELD
        self.opened = anyio.Event()
        """Set by `commit`, and by `shut` so that nobody waits for ever."""
        self._held: list[Event] = []
        self._audio = AudioQueue(format, outlet.max_queued_audio_s, outlet.chunk_ms)
        self.begins_at = 0.0
        """No audio leaves before: the client is still playing something else of the same answer."""
        self._on_audible: OnAudible | None = on_audible
        self.shown: ShownWords | None = None
        """Words that are told with its audio."""

    async def event(self, event: Event) -> None:
        """Put an event; waits while a held output is full. Cancel-safe: a cancelled call put nothing."""
        if self.state is StreamState.HELD and len(self._held) >= MAX_HELD_EVENTS:
            await self.opened.wait()
        self.event_nowait(event)

    def event_nowait(self, event: Event) -> None:
        """Put an event, whatever is held already."""
        if self.state is StreamState.HELD:
            self._held.append(event)
        elif self.state is StreamState.OPEN:
            self._outlet.put(event)

    async def audio(
        self, response: Response, item_id: str, data: bytes, words: tuple[WordTime, ...] = ()
    ) -> None:
        """Put audio in the session's output format, whole samples, and the words whose place is known with it; waits
        while too much is queued.

        Cancel-safe: the audio of a cancelled call is in the output, only the wait is cut short.
        """
        self.audio_nowait(response, item_id, data, words)
        await self._audio.wait_room()

    def audio_nowait(
        self, response: Response, item_id: str, data: bytes, words: tuple[WordTime, ...] = ()
    ) -> None:
        """Put audio, whatever is queued already."""
        if self.state is StreamState.SHUT or not (data or words):
            return
        if not self._audio.waiting and self.state is StreamState.OPEN:
            self._outlet.wake()  # else the writer knows when the next chunk is due, or that none may leave
        self._audio.put(Stretch(data, response, item_id, words))

    def told_ahead(self, response: Response) -> None:
        """The client was told past this output, which is held, that the response was created, and of another message of
        it: what is held goes on from there."""
        held, self._held = self._held, []
        for event in held:
            match event:
                case ResponseStarted():
                    pass
                case ResponseItemStarted():
                    self._held.append(replace(event, response=response))
                case _:
                    self._held.append(event)
        for stretch in self._audio.waiting:
            stretch.response = response

    async def sent(self) -> None:
        """Return when all audio has left, or the output is shut."""
        await self._audio.wait_empty()

    def commit(self, previous_id: Callable[[str], str | None] = lambda item_id: None) -> None:
        """Let out what is held, and what comes from now on. `previous_id` says what is before an item by now: the
        client may have changed the conversation meanwhile."""
        if self.state is not StreamState.HELD:
            return
        self.state = StreamState.OPEN
        for event in self._held:
            if isinstance(event, ResponseItemStarted):
                event = replace(event, previous_item_id=previous_id(event.item.id))
            self._outlet.put(event)
        self._held.clear()
        self.opened.set()
        self._outlet.wake()

    def resume(self, now: float) -> None:
        """Go on with the sample at which playout was held."""
        self.pacer.resume(now)
        self._audio.moved()
        self._outlet.wake()

    def played_at_client(self, samples: int, at: float) -> None:
        """The client had played so many samples at `at`; what is sent next, and when, follows from that."""
        self.pacer.played(samples, at)
        self._audio.moved()
        self._outlet.wake()

    async def played(self) -> None:
        """Return when all that has left has been played. Cancel-safe."""
        while (finished_at := self.pacer.finished_at() or 0.0) > anyio.current_time():
            if finished_at == math.inf:
                await self._audio.wait_moved()
            else:
                await anyio.sleep_until(finished_at)

    def silent_at(self, now: float) -> float:
        """When all that was put so far will have been played; infinite while playout is held."""
        queued_s = self._audio.samples / self.rate_hz
        sent_until = self.pacer.finished_at() or 0.0
        return max(sent_until, now) + queued_s if queued_s else sent_until

    def shut(self) -> None:
        """Throw away what has not left; nothing of this output leaves any more."""
        self.state = StreamState.SHUT
        self._held.clear()
        self._audio.clear()
        self.opened.set()

    @property
    def has_audio(self) -> bool:
        """Whether audio waits to be taken."""
        return self.state is StreamState.OPEN and bool(self._audio.waiting) and not self.pacer.is_paused

    def take(self, now: float) -> ResponseAudio | ResponseText | WordsTimed | None:
        """The next chunk, which now counts as sent, or the words that go ahead of it; None when there is none or it is
        not due."""
        audio, pacer = self._audio, self.pacer
        if self.state is not StreamState.OPEN or not audio.waiting or pacer.is_paused or now < self.begins_at:
            return None
        samples = audio.next_samples
        if pacer.next_due(now, samples) is not None:
            return None
        if (words := audio.take_words()) is not None:
            return words
        offset_samples = pacer.sent_samples
        if self.shown is not None and (text := self.shown.due(offset_samples + samples)):
            first = audio.waiting[0]
            return ResponseText(first.response, first.item_id, text)
        stretch, data = audio.take(samples)
        pacer.sent(samples, now)
        if self._on_audible is not None:
            on_audible, self._on_audible = self._on_audible, None
            on_audible()
        duration_s = samples / self.rate_hz
        return ResponseAudio(stretch.response, stretch.item_id, data, self.epoch, offset_samples, duration_s)


def due_at(stream: OutputStream, now: float) -> float:
    """When it is worth while to `take` again; only while it has audio."""
    due = stream.pacer.next_due(now, stream._audio.worth_samples)  # noqa: SLF001  # of this module
    return max(now if due is None else due, stream.begins_at)
