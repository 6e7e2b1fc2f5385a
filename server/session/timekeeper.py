"""A session's time, which its writer keeps because it wakes anyway: deadlines of the floor, and the session's own."""

from server.output.link import Link
from server.output.outbound import Outbound
from server.session.closing import Closing
from server.session.lifetime import Lifetime
from server.turntaking.floor import Floor
from server.turntaking.happened import Happened
from server.turntaking.inbox import FloorInbox


class Timekeeper:
    """Knows when something is due next, and does what is."""

    def __init__(
        self,
        floor: Floor,
        inbox: FloorInbox,
        lifetime: Lifetime,
        closing: Closing,
        link: Link,
        outbound: Outbound,
    ) -> None:
        self._floor = floor
        self._inbox = inbox
        self._lifetime = lifetime
        self._closing = closing
        self._link = link
        self._outbound = outbound

    def wake_at(self, now: float) -> float:
        """When there is something to do, or to send, unless it is sooner by then."""
        deadline, end = self._floor.deadline, self._lifetime.ends_at
        if not self._link.is_attached:
            return end
        due = self._outbound.next_due(now)
        return min(end if due is None else due, end if deadline is None else deadline, end)

    def tick(self, now: float) -> None:
        """Do what is due; while nobody is there the floor's time stands still (`server.session.absence`)."""
        if self._link.is_attached and (event := self._floor.due(now)) is not None:
            self._inbox.feed(Happened(event))
        over = self._lifetime.over(now)
        if over is not None:
            self._closing.end(over)
