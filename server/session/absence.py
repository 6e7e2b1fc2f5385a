"""What stands still while a session has no connection: the floor's deadlines, and the playout of the answer.

The microphone is silent then, and nothing ends a turn: neither audio that does not come, nor a person who is not heard.
"""

from collections.abc import Callable
from dataclasses import dataclass

from server.output.link import LinkWatcher
from server.output.stream import OutputStream, StreamState
from server.session.base import SessionBase
from server.turntaking.floor import Floor


@dataclass(frozen=True, slots=True)
class WatchedBeside:
    """Calls `changed`, beside another watcher."""

    watcher: LinkWatcher | None
    changed: Callable[[], None]

    def link_moved(self) -> None:
        """See `LinkWatcher.link_moved`."""
        if self.watcher is not None:
            self.watcher.link_moved()
        self.changed()


class Absence:
    """Whether the client of one session is away, and since when."""

    def __init__(self, floor: Floor, base: SessionBase) -> None:
        self._floor = floor
        self._base = base
        self._since: float | None = None
        self._held: OutputStream | None = None
        """Whose playout was held because nobody is there."""

    def link_moved(self) -> None:
        """The link has changed its state."""
        if self._base.link.is_attached:
            self._end()
            self._base.outbound.wake()
        elif self._since is None:
            self._begin()

    def _begin(self) -> None:
        now = self._since = self._base.now()
        response = self._base.holder.response
        if (
            response is not None
            and response.output.state is StreamState.OPEN
            and not response.output.pacer.is_paused
        ):
            self._held = response.output
            self._held.pacer.pause(now)

    def _end(self) -> None:
        if self._since is None:
            return
        now = self._base.now()
        self._floor.postpone(now - self._since)
        self._since = None
        if self._held is not None and self._held.state is StreamState.OPEN:
            self._held.resume(now)
        self._held = None
