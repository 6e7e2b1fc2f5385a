"""What the client says it has played: where the pacer's guess ends, and how much lead its network needs.

Most clients report nothing. Theirs is the longer lead, and what they would say of underruns is read off the socket:
when audio has waited for the network for long, the lead grows.

A report corrects the estimate of what was heard while an answer is being played. The one that follows a flush
says what was heard before the client fell silent: history is cut once more, to that. Reports of other items
come too late and change nothing.
"""

from audio.pacing import LEAD_MS_LIMITS
from server.conversation.memory import Conversation, cut
from server.domain.clock import Now
from server.domain.errors import Fault
from server.domain.voice_events import Played
from server.output.line import Line
from server.output.link import Link
from server.output.outbound import Outbound
from server.output.stream import StreamState
from server.response.holder import FloorHolder
from server.response.run import ResponseRun

REPORTED_MOST_MS = 1500
"""Most lead of clients that report underruns: theirs grows when it must, and needs no more to spare."""

GROWTH = 1.5
"""What the lead is multiplied with at an underrun: two of them double it, four reach the limit from 300 ms."""

DECAY = 0.9
"""The same for an answer that has been played without one, down to where it began."""


class Lead:
    """How far ahead of playout this client is sent its audio, in milliseconds. Pure."""

    def __init__(self, lead_ms: int, most_ms: int = REPORTED_MOST_MS) -> None:
        self._most_ms = most_ms
        self.ms = self._least_ms = min(max(lead_ms, LEAD_MS_LIMITS[0]), most_ms)

    def ran_dry(self) -> None:
        """Audio that was ready came too late."""
        self.ms = min(round(self.ms * GROWTH), self._most_ms)

    def ran_well(self) -> None:
        """A response was played to its end or its interruption, and never ran dry."""
        self.ms = max(round(self.ms * DECAY), self._least_ms)


class PlaybackReports:
    """The reports of one client, or what stands for them."""

    def __init__(
        self,
        conversation: Conversation,
        outbound: Outbound,
        link: Link,
        holder: FloorHolder,
        now: Now,
        *,
        is_reported: bool,
    ) -> None:
        """Of a client that reports nothing, what the network has not taken stands for its reports."""
        self._link = link
        self._holder = holder
        self._is_reported = is_reported
        self._now = now
        self._line = Line()
        self._conversation = conversation
        self._outbound = outbound
        most_ms = REPORTED_MOST_MS if is_reported else LEAD_MS_LIMITS[1]
        self._lead = Lead(outbound.lead_ms, most_ms)
        self._underruns = 0
        self._underruns_before = 0
        """The same when the last response was over."""
        self._flushed_id: str | None = None
        self._has_complained = False

    def report(self, played: Played) -> None:
        """Take what the client says. Raises ClientError the first time that it speaks of an item that there is not:
        reports come ten times a second."""
        response, now = self._holder.response, self._now()
        if (
            response is not None
            and response.item_id == played.item_id
            and response.output.state is StreamState.OPEN
        ):
            # The estimate is asked for half a trip ago: so it never exceeds what the client has said.
            at = now - self._link.latency_s / 2
            rate_hz = response.output.rate_hz
            if played.samples:
                response.timeline.mark("heard", at - played.samples / rate_hz)
            response.output.played_at_client(played.samples, at)
            self._count(played, response)
        elif played.item_id == self._flushed_id:
            entry = self._conversation.find(played.item_id)
            if entry is not None:
                cut(entry, played.samples)
        elif not self._has_complained and self._conversation.find(played.item_id) is None:
            self._has_complained = True
            self._conversation.get(played.item_id, code=Fault.PLAYED_ITEM_UNKNOWN)

    def audio_left(self, size_bytes: int) -> None:
        """A frame of audio was handed to the socket."""
        if self._is_reported:
            return
        now = self._now()
        self._line.sent(size_bytes, now)
        if self._line.may_stall(now) and self._line.stalls(self._link.unsent_bytes, now):
            self._underruns += 1
            self._lengthen(self._holder.response)

    def flushed(self, item_id: str) -> None:
        """The client has thrown this message away, and will say how much of it was heard."""
        self._flushed_id = item_id

    def over(self, response: ResponseRun) -> None:
        """The response has been played, or was thrown away: what is still said of it is about the past."""
        self._flushed_id = response.item_id if response.output.state is StreamState.SHUT else None
        if self._underruns == self._underruns_before:
            self._lead.ran_well()
        self._underruns_before = self._underruns
        self._outbound.lead_ms = self._lead.ms

    def _count(self, played: Played, response: ResponseRun) -> None:
        if played.underruns is None:
            return
        # A longer lead is no help where there was nothing to send.
        if played.underruns > self._underruns and response.output.has_audio:
            self._lengthen(response)
        self._underruns = max(self._underruns, played.underruns)

    def _lengthen(self, response: ResponseRun | None) -> None:
        self._lead.ran_dry()
        self._outbound.lead_ms = self._lead.ms
        if response is not None:
            response.output.pacer.set_lead_ms(self._lead.ms)
