"""The writer of a session: the only one to touch its socket, and the one who keeps its time in between."""

from collections.abc import Callable

import anyio

from server.domain.events import Event, ReplyAudio
from server.domain.wire import Dialect, Wire, WireClosed
from server.output.outbound import Outbound


class Writer:
    """Sends what is due, one frame after the other."""

    def __init__(
        self,
        wire: Wire,
        dialect: Dialect,
        outbound: Outbound,
        *,
        patience_s: float,
        now: Callable[[], float],
        wake_at: Callable[[float], float],
        tick: Callable[[float], None],
        audio_left: Callable[[int], None],
    ) -> None:
        """`tick` is called when it is `wake_at`, and whenever there was something new to look at; `audio_left` with the
        bytes of each event with audio that has gone to the socket."""
        self._wire = wire
        self._dialect = dialect
        self._outbound = outbound
        self._patience_s = patience_s
        self._now = now
        self._wake_at = wake_at
        self._tick = tick
        self.sent_bytes = 0
        """Of all frames so far; of text its characters, which are nearly all ASCII."""
        self._audio_left = audio_left

    async def run(self) -> bool:
        """Send until the connection is over (True), or does not take a frame in time (False)."""
        try:
            while await self._run_for_a_while():
                pass
        except WireClosed:
            return True
        return False

    async def send(self, event: Event) -> None:
        """Send one event. Raises WireClosed."""
        before_bytes = self.sent_bytes
        for frame in self._dialect.encode(event):
            await self._wire.send(frame)
            self.sent_bytes += len(frame)
        if isinstance(event, ReplyAudio):
            self._audio_left(self.sent_bytes - before_bytes)

    async def _run_for_a_while(self) -> bool:
        """Whether every frame has left in time.

        One deadline serves many frames, because a timer for each costs as much as the frame. All other waits
        end at half of it, so who is still there at the end has waited for one frame for at least that long.
        """
        until = self._now() + self._patience_s / 2
        with anyio.CancelScope(deadline=until + self._patience_s / 2) as scope:
            while (now := self._now()) < until:
                event = self._outbound.take(now)
                if event is not None:
                    await self.send(event)
                    continue
                await self._outbound.wait(min(self._wake_at(now), until))
                self._tick(self._now())
        return not scope.cancelled_caught
