"""The writer of a session: the only one to touch its socket, and the one who keeps its time in between."""

from collections import deque
from collections.abc import Callable
from typing import Protocol

import anyio

from server.domain.clock import Now
from server.domain.events import (
    Event,
    ItemDeleted,
    ItemDone,
    ItemTruncated,
    ResponseAudio,
    ResponseEnded,
    ResponseStarted,
    SessionConfigured,
    TranscriptFinal,
)
from server.domain.voice_events import TurnEnded, WordsTimed
from server.domain.wire import Dialect, WireClosed
from server.output.link import Link, send_now
from server.output.outbound import Outbound
from server.output.replay_ring import LATELY, SentEvents
from server.output.unread import UnreadPlayout

EVENTS_A_STEP = 4
"""Events that are sent, at most, before it is the turn of the others."""

LOOK_EVERY_S = 0.5
"""Audio that may be sent before it is looked whether the network takes it: the system's buffer would hide a minute."""


WORTH_KEEPING = (
    ItemDone,
    ItemDeleted,
    ItemTruncated,
    TranscriptFinal,
    ResponseStarted,
    ResponseEnded,
    SessionConfigured,
    WordsTimed,
    TurnEnded,
)
"""Events after which a session that is to go on elsewhere would be another."""


OnChange = Callable[[bool], None]
"""Is told that the state of a session has changed, and whether that cannot wait."""


class ReadsTooSlowly(Exception):
    """Raised when too much of the response's audio is unread."""


class SessionTime(Protocol):
    """What is due in the session beside what is to be sent."""

    def wake_at(self, now: float) -> float:
        """When there is something to do, or to send, unless it is sooner by then."""

    def tick(self, now: float) -> None:
        """Do what is due; called then, and whenever there was something new to look at."""


class Playout(Protocol):
    """Estimates what the client has played."""

    def audio_left(self, size_bytes: int) -> None:
        """An event with audio has gone to the socket, in so many bytes."""


class Writer:
    """Sends what is due, one frame after the other."""

    def __init__(
        self,
        link: Link,
        dialect: Dialect,
        outbound: Outbound,
        *,
        patience_s: float,
        max_unread_s: float,
        now: Now,
        time: SessionTime,
        playout: Playout,
    ) -> None:
        """`patience_s` is what one frame may take, `max_unread_s` what may be unread of an answer's audio, beyond the
        lead."""
        self._link = link
        self._dialect = dialect
        self._outbound = outbound
        self._patience_s = patience_s
        self._max_unread_s = max_unread_s
        self._unread = UnreadPlayout()
        self._now = now
        self._time = time
        self.sent_bytes = 0
        """Of all frames so far; of text its characters, which are nearly all ASCII."""
        self._playout = playout
        self._rest: deque[str | bytes] = deque()
        """Frames of the newest event that have not gone to the link."""
        self._changed: OnChange = lambda is_urgent: None

    def watch(self, changed: OnChange) -> None:
        """Have `changed` called when the client was told of what is worth keeping, and whether it is more than another
        word of an answer."""
        self._changed = changed

    def unsent(self, last_seq: int) -> SentEvents | None:
        """The events after frame `last_seq` (or LATELY), and those that wait, which are sent to nobody any more; None
        when not all are there."""
        after = self._link.ring.before if last_seq == LATELY else last_seq
        frames = self._link.ring.after(after)
        if frames is None:
            return None
        frames += self._rest
        for event in self._outbound.drain():
            frames += self._dialect.encode(event)
        numbered = enumerate(frames, after + 1)
        return SentEvents(after, tuple((seq, frame) for seq, frame in numbered if isinstance(frame, str)))

    async def run(self) -> str | None:
        """Send until the connection is over (None), or the client reads too slowly: what it has not read."""
        try:
            while await self._run_for_a_while():
                pass
        except WireClosed:
            return None
        except ReadsTooSlowly:
            return f"more than {self._allowed_unread_s:g} s of the answer's audio are unread"
        return "the client does not read what it is sent"

    async def send(self, event: Event) -> None:
        """Send one event. Raises WireClosed and ReadsTooSlowly."""
        if self._rest:
            await self._send_rest()
        before_bytes = self.sent_bytes
        self._rest.extend(self._dialect.encode(event))
        if isinstance(event, ResponseAudio):
            await self._send_rest(event.duration_s)
            self._playout.audio_left(self.sent_bytes - before_bytes)
            return
        await self._send_rest()
        if isinstance(event, WORTH_KEEPING):
            self._changed(not isinstance(event, WordsTimed))

    async def _send_rest(self, audio_s: float = 0.0) -> None:
        """Send the frames that are made, of `audio_s` if it is audio. What is not sent when it is cancelled waits for
        the next time."""
        while self._rest:
            frame = self._rest.popleft()
            self.sent_bytes += len(frame)
            if audio_s:
                self._unread.sent(self.sent_bytes, audio_s)
            if self._unread.unlooked_s >= LOOK_EVERY_S or self._link.buffered_bytes:
                await self._send_late(frame)
            elif not send_now(self._link, frame):
                await self._link.send(frame)

    @property
    def _allowed_unread_s(self) -> float:
        """Who is sent audio far ahead has something to play meanwhile. The lead may grow during a stall, and with it
        what is sent and unread: so it ends after the same time."""
        return self._max_unread_s + self._outbound.lead_ms / 1000

    async def _send_late(self, frame: str | bytes) -> None:
        """Send a frame that may be behind others which the network has not taken.

        While it waits, playout goes on: a second of waiting is another second that is unread.
        """
        unread_s = self._unread.seconds(self.sent_bytes - len(frame) - self._link.unsent_bytes)
        if not unread_s:
            await self._link.send(frame)
            return
        left_s = self._allowed_unread_s - unread_s
        with anyio.move_on_after(max(0.0, left_s)) as scope:
            await self._link.send(frame)
        if scope.cancelled_caught or left_s < 0.0:
            raise ReadsTooSlowly

    async def _run_for_a_while(self) -> bool:
        """Whether every frame has left in time.

        One deadline serves many frames, because a timer for each costs as much as the frame. All other waits
        end at half of it, so who is still there at the end has waited for one frame for at least that long.
        """
        events = 0
        until = self._now() + self._patience_s / 2
        with anyio.CancelScope(deadline=until + self._patience_s / 2) as scope:
            while (now := self._now()) < until:
                if not self._link.is_attached:
                    await self._wait_for_client(min(self._time.wake_at(now), until))
                    continue
                if self._link.unsent:
                    await self._link.catch_up()
                if self._rest:
                    await self._send_rest()
                event = self._outbound.take(now)
                if event is not None:
                    await self.send(event)
                    events += 1
                    if not events % EVENTS_A_STEP:
                        # `send` does not wait while the socket takes what it is given
                        await self._outbound.share.step()
                    continue
                await self._outbound.wait(min(self._time.wake_at(now), until))
                events = 0  # it was the turn of the others
                self._time.tick(self._now())
        return not scope.cancelled_caught

    async def _wait_for_client(self, until: float) -> None:
        """Nobody is there to send to: what is due waits, and the session's time goes on."""
        self._unread = UnreadPlayout()  # another connection has taken nothing yet, and owes nothing
        await self._link.wait_for_another(until)
        await self._link.catch_up()
        self._time.tick(self._now())
