"""Outbound: the only way to the socket; the fence, the commit gate and the pacing of what the client is sent.

Theory of operation
-------------------
Two kinds of things leave. *Events* are small and leave at once, in order. *Audio* is paced: at most a lead
beyond what has been played, so that silence never depends on the client throwing much away.

A pipeline run speaks through an *output stream*. It starts HELD: what is sent into it waits, bounded,
until `commit` lets it out or `shut` throws it away. OutputStreams carry the epoch in which they were made. `flush`
raises the epoch and shuts the output: from that moment nothing of it is ever taken out again, and whatever
its tasks still put in goes nowhere, whether or not they obey their cancellation.

`take` and `next_due` are plain functions of `now`; the session's one writer is the only consumer. A client
that does not read fills the queue of events: beyond its limit the session ends (slow consumer), and only
that session.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

import anyio

from audio.formats import AudioFormat
from audio.pacing import Pacer
from server.domain.events import (
    Event,
    ItemAdded,
    ItemDone,
    ItemRetrieved,
    ResponseAudio,
    ResponseCall,
    ResponseItemEnded,
    ResponseItemStarted,
    ResponseStarted,
    ResponseText,
)
from server.domain.loop_share import LoopShare
from server.domain.mcp_tools import CallError, McpCall, ToolListing
from server.domain.values import Item, Response
from server.domain.voice_events import ArtifactMade, StageEventTold, VoiceFlushed, VoiceHeld, WordsTimed
from server.output.audio_queue import AudioQueue, Stretch
from server.output.shown_words import ShownWords
from stages.ports import WordTime

EVENT_BYTES = 400
"""What an event without text weighs on the wire, roughly; only the limit on unsent output uses it."""

MAX_HELD_EVENTS = 2000
"""Events that a held output keeps before whoever speaks into it must wait: far more than a spoken answer
has."""


STEPS_A_TURN = 8
"""Tokens, stretches of speech and handfuls of events of all sessions in a turn of the loop: 2 to 4 ms of it."""


TICK_S = 0.02
"""Audio that is not urgent leaves on ticks that all sessions share, so that the loop wakes once for all of them. The
lead is many times longer."""


class StreamState(StrEnum):
    """Whether what is put into an output stream comes out."""

    HELD = "held"
    OPEN = "open"
    SHUT = "shut"


class OutputStream:
    """One run's way out. Made by `Outbound.output`; the run writes, only `Outbound` reads."""

    def __init__(
        self, outbound: "Outbound", format: AudioFormat, epoch: int, on_audible: Callable[[], None]
    ) -> None:
        self._outbound = outbound
        self.rate_hz = format.rate_hz
        self.epoch = epoch
        self.pacer = Pacer(format.rate_hz, outbound.lead_ms)
        self.state = StreamState.HELD
        self.opened = anyio.Event()
        """Set by `commit`, and by `shut` so that nobody waits for ever."""
        self._held: list[Event] = []
        self._audio = AudioQueue(format, outbound.max_queued_audio_s, outbound.chunk_ms)
        self.begins_at = 0.0
        """No audio leaves before: the client is still playing something else of the same answer."""
        self._on_audible: Callable[[], None] | None = on_audible
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
            self._outbound.put(event)

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
        if self._audio.is_empty and self.state is StreamState.OPEN:
            self._outbound.wake()  # else the writer knows when the next chunk is due, or that none may leave
        self._audio.put(Stretch(data, response, item_id, words))

    def told_ahead(self, response: Response, previous_id: str) -> None:
        """The client was told past this output, which is held, that the response was created, and of another message of
        it: what is held goes on from there."""
        held, self._held = self._held, []
        for event in held:
            match event:
                case ResponseStarted():
                    pass
                case ResponseItemStarted():
                    self._held.append(replace(event, response=response, previous_item_id=previous_id))
                case _:
                    self._held.append(event)
        for stretch in self._audio.waiting:
            stretch.response = response

    async def sent(self) -> None:
        """Return when all audio has left, or the output is shut."""
        await self._audio.wait_empty()

    def commit(self) -> None:
        """Let out what is held, and what comes from now on."""
        if self.state is not StreamState.HELD:
            return
        self.state = StreamState.OPEN
        for event in self._held:
            self._outbound.put(event)
        self._held.clear()
        self.opened.set()
        self._outbound.wake()

    def resume(self, now: float) -> None:
        """Go on with the sample at which playout was held."""
        self.pacer.resume(now)
        self._audio.moved()
        self._outbound.wake()

    def played_at_client(self, samples: int, at: float) -> None:
        """The client had played so many samples at `at`; what is sent next, and when, follows from that."""
        self.pacer.played(samples, at)
        self._audio.moved()
        self._outbound.wake()

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
        return self.state is StreamState.OPEN and not self._audio.is_empty and not self.pacer.is_paused

    def take(self, now: float) -> ResponseAudio | ResponseText | WordsTimed | None:
        """The next chunk, which now counts as sent, or the words that go ahead of it; None when there is none or it is
        not due."""
        if not self.has_audio or now < self.begins_at:
            return None
        samples = self._audio.next_samples
        if self.pacer.next_due(now, samples) is not None:
            return None
        if (words := self._audio.take_words()) is not None:
            return words
        offset_samples = self.pacer.sent_samples
        if self.shown is not None and (text := self.shown.due(offset_samples + samples)):
            first = self._audio.waiting[0]
            return ResponseText(first.response, first.item_id, text)
        stretch, data = self._audio.take()
        self.pacer.sent(samples, now)
        if self._on_audible is not None:
            on_audible, self._on_audible = self._on_audible, None
            on_audible()
        duration_s = samples / self.rate_hz
        return ResponseAudio(stretch.response, stretch.item_id, data, self.epoch, offset_samples, duration_s)


class Outbound:
    """All that waits for the client. One writer takes; everybody else puts."""

    def __init__(
        self,
        *,
        lead_ms: int,
        chunk_ms: int,
        max_queued_audio_s: float,
        max_unsent_bytes: int,
        on_overflow: Callable[[], None],
        share: LoopShare | None = None,
    ) -> None:
        """`share` is what the outputs of all sessions have of a turn of the loop; without one, this has its own."""
        self.share = share or LoopShare(STEPS_A_TURN)
        self.lead_ms = lead_ms
        self.chunk_ms = chunk_ms
        self.max_queued_audio_s = max_queued_audio_s
        self.epoch = 0
        """How often queued output was thrown away."""
        self._max_unsent_bytes = max_unsent_bytes
        self._unsent_bytes = 0
        self._on_overflow = on_overflow
        self._events: deque[Event] = deque()
        self._output: OutputStream | None = None
        self._waker: asyncio.Future[None] | None = None

    def put(self, event: Event) -> None:
        """Send an event as soon as the socket takes it, after those put before and ahead of queued audio."""
        if self._unsent_bytes > self._max_unsent_bytes:
            return  # the session is ending; keep nothing more for a client that does not read
        self._events.append(event)
        self._unsent_bytes += weight_bytes(event)
        if self._unsent_bytes > self._max_unsent_bytes:
            self._on_overflow()
        self.wake()

    def output(self, format: AudioFormat, on_audible: Callable[[], None]) -> OutputStream:
        """A new output, held, in place of the one before; `on_audible` is called when its first audio
        leaves."""
        if self._output is not None:
            self._output.shut()
        self._output = OutputStream(self, format, self.epoch, on_audible)
        return self._output

    def out_of_band(self, format: AudioFormat) -> OutputStream:
        """An output stream beside the others, held, for events only; `flush` does not shut it."""
        return OutputStream(self, format, self.epoch, lambda: None)

    def flush(self) -> None:
        """Raise the epoch: no audio put before this moment leaves after it.

        The client is told ahead of everything that waits for it. A hold that still waits is undone by it and not told
        of: behind the flush it would be one of the next answer.
        """
        self.epoch += 1
        self._forget_holds()
        flushed = VoiceFlushed(self.epoch)
        self._events.appendleft(flushed)
        self._unsent_bytes += weight_bytes(flushed)
        self.wake()
        if self._output is not None:
            self._output.shut()
            self._output = None

    def _forget_holds(self) -> None:
        for event in [event for event in self._events if isinstance(event, VoiceHeld)]:
            self._events.remove(event)
            self._unsent_bytes -= weight_bytes(event)

    def take(self, now: float) -> Event | None:
        """The next thing to send, or None when nothing is due."""
        if self._events:
            event = self._events.popleft()
            self._unsent_bytes -= weight_bytes(event)
            return event
        return None if self._output is None else self._output.take(now)

    def next_due(self, now: float) -> float | None:
        """When `take` will have something; None: not before something is put."""
        if self._events:
            return now
        if self._output is not None and self._output.has_audio:
            due = _due(self._output, now)
            return due if due <= now else math.ceil(due / TICK_S) * TICK_S
        return None

    def wake(self) -> None:
        """Make the writer look again."""
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)

    async def wait(self, until: float | None) -> None:
        """Return at loop time `until`, or when woken. One waiter at a time.

        A bare future and timer instead of an event in a timeout scope: this runs for every chunk of every
        session.
        """
        loop = asyncio.get_running_loop()
        waker = self._waker = loop.create_future()
        timer = None if until is None else loop.call_at(until, self.wake)
        try:
            await waker
        finally:
            self._waker = None
            if timer is not None:
                timer.cancel()


def _due(stream: OutputStream, now: float) -> float:
    """When it is worth while to `take` again; only while it has audio."""
    due = stream.pacer.next_due(now, stream._audio.worth_samples)  # noqa: SLF001  # of this module
    return max(now if due is None else due, stream.begins_at)


def weight_bytes(event: Event) -> int:
    """About how many bytes the event takes on the wire."""
    match event:
        case ResponseText(delta=text):
            return EVENT_BYTES + len(text)
        case StageEventTold(json=text) | ArtifactMade(json=text):
            return EVENT_BYTES + len(text)
        case ResponseCall(item=item):
            return 6 * EVENT_BYTES + 4 * len(item.text)
        case (
            ItemAdded(item=item)
            | ItemDone(item=item)
            | ItemRetrieved(item=item)
            | ResponseItemEnded(item=item)
        ):
            parts_bytes = sum(len(part.transcript or "") for part in item.parts)
            return EVENT_BYTES + len(item.text) + parts_bytes + _detail_bytes(item)
        case _:
            return EVENT_BYTES


def _detail_bytes(item: Item) -> int:
    match item.detail:
        case ToolListing(tools=tools):
            return sum(EVENT_BYTES + len(tool.description) + len(str(tool.parameters)) for tool in tools)
        case McpCall(output=output, error=None):
            return len(output or "")
        case McpCall(error=CallError(message=message)):
            return len(message)
        case _:
            return 0
