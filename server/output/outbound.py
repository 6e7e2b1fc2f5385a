"""Outbound: the only way to the socket; the fence, the commit gate and the pacing of what the client is sent.

Theory of operation
-------------------
Two kinds of things leave. *Events* are small and leave at once, in order. *Audio* is paced.

A pipeline run speaks through an *output stream* (`server.output.stream`), which carries the epoch in which it was made.
`flush` raises the epoch and shuts the stream: from that moment nothing of it is ever taken out again, and whatever its
tasks still put in goes nowhere, whether or not they obey their cancellation.

`take` and `next_due` are plain functions of `now`; the session's one writer is the only consumer. A client
that does not read fills the queue of events: beyond its limit the session ends (slow consumer), and only
that session.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable

from audio.formats import AudioFormat
from server.domain.events import Event
from server.domain.loop_share import LoopShare
from server.domain.voice_events import VoiceFlushed, VoiceHeld
from server.output.audible import AudibleVoice
from server.output.stream import OnAudible, OutputStream, due_at
from server.output.weight import weight_bytes

STEPS_A_TURN = 2
"""Tokens, stretches of speech and handfuls of events of all sessions in a turn of the loop: about a millisecond of it.
An answer to a client takes three turns, and with eight steps a turn it took 5 ms more while twenty answers began."""

TICK_S = 0.02
"""Audio that is not urgent leaves on ticks that all sessions share, so that the loop wakes once for all of them. The
lead is many times longer."""


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
        self.audible: AudibleVoice | None = None
        """Is told of all that leaves, where somebody has to know what the client plays."""

    def put(self, event: Event) -> None:
        """Send an event as soon as the socket takes it, after those put before and ahead of queued audio."""
        if self._unsent_bytes > self._max_unsent_bytes:
            return  # the session is ending; keep nothing more for a client that does not read
        self._events.append(event)
        self._unsent_bytes += weight_bytes(event)
        if self._unsent_bytes > self._max_unsent_bytes:
            self._on_overflow()
        self.wake()

    def output(self, format: AudioFormat, on_audible: OnAudible) -> OutputStream:
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
        event: Event | None = None
        if self._events:
            event = self._events.popleft()
            self._unsent_bytes -= weight_bytes(event)
        elif self._output is not None:
            event = self._output.take(now)
        if event is not None and self.audible is not None:
            self.audible.left(event, self._output)
        return event

    def drain(self) -> list[Event]:
        """All events that wait; the audio stays where it is."""
        events = list(self._events)
        self._events.clear()
        self._unsent_bytes = 0
        return events

    def next_due(self, now: float) -> float | None:
        """When `take` will have something; None: not before something is put."""
        if self._events:
            return now
        if self._output is not None and self._output.has_audio:
            due = due_at(self._output, now)
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
