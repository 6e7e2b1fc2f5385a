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
        self._due_at = 0.0
        """When something was to be done, when the writer last asked; if that changes, it asks again before it waits."""

    def wake_at(self, now: float) -> float:
        """When there is something to do, or to send, unless it is sooner by then."""
        deadline, due_at = self._floor.deadline, self._lifetime.ends_at
        if not self._link.is_attached:
            self._due_at = due_at
            return due_at
        if deadline is not None and deadline < due_at:
            due_at = deadline
        self._due_at = due_at
        due = self._outbound.next_due(now)
        return due_at if due is None else min(due, due_at)

    def tick(self, now: float) -> None:
        """Do what is due; while nobody is there the floor's time stands still (`server.session.absence`)."""
        if now < self._due_at:
            return
        if self._link.is_attached and (event := self._floor.due(now)) is not None:
            self._inbox.feed(Happened(event))
        over = self._lifetime.over(now)
        if over is not None:
            self._closing.end(over)
