"""Gives up a client from whom nothing has come for too long while we were reading."""

from asyncio import AbstractEventLoop
from collections.abc import Callable

from server.gateway.sockets.intake import Intake, IntakeState


class SilenceWatch:
    """One timer a connection, which looks when the silence would be too long. `stop` it at the end."""

    def __init__(
        self, loop: AbstractEventLoop, intake: Intake, silence_s: float, give_up: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._intake = intake
        self._silence_s = silence_s
        self._give_up = give_up
        self._timer = loop.call_later(silence_s, self._look)

    def shorten(self, silence_s: float) -> None:
        """Wait no longer than this from now on."""
        self._silence_s = min(silence_s, self._silence_s)
        self.stop()
        self._look()

    def stop(self) -> None:
        """Stop the timer."""
        self._timer.cancel()

    def _look(self) -> None:
        """Whether the client is still there, as far as we would know: it may be that we have not read."""
        now, intake = self._loop.time(), self._intake
        if intake.state is not IntakeState.OPEN:
            intake.heard_at = now
        left_s = intake.heard_at + self._silence_s - now
        if left_s <= 0:
            self._give_up()
        self._timer = self._loop.call_later(left_s if left_s > 0 else self._silence_s, self._look)
