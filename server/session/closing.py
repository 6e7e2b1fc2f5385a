"""Why a session ends, and how its client is told."""

import logging
from contextlib import suppress

import anyio

from server.domain.errors import SessionOver
from server.domain.events import Problem
from server.domain.wire import WireClosed
from server.output.link import Link, LinkState
from server.output.writer import ReadsTooSlowly, Writer
from server.session.tasks import SessionTasks

log = logging.getLogger(__name__)

CLOSE_DEADLINE_S = 2.0
"""How long saying good-bye may take."""

LAST_WORDS_S = 1.0
"""How much of that it may take to say why; the rest is for the close."""

LEFT_WITHIN_S = 2.0
"""How long a client that is sent to another node may keep its connection."""

COME_BACK = 1012

SLOW_CONSUMER = 4408
SLOW_DEADLINE_S = 0.2
"""The same to a client that does not read: there is no hope that it will hear it."""


async def see_off(link: Link) -> None:
    """Close the connection of a client that was told to leave, and has not: it comes back by another. Cancel-safe."""
    await anyio.sleep(LEFT_WITHIN_S)
    if link.state is LinkState.LEAVING:
        await link.drop(COME_BACK, "the server is stopping: come back", CLOSE_DEADLINE_S)


class Closing:
    """Ends one session, and tells its client why."""

    def __init__(self, tasks: SessionTasks, link: Link) -> None:
        self._tasks = tasks
        self._link = link
        self._over: SessionOver | None = None

    def end(self, over: SessionOver) -> None:
        """End the session now, telling the client why. The first reason stands."""
        if self._over is None:
            self._over = over
            log.info("the session is ended: %s", over.reason)
            self._tasks.cancel()

    def end_slow_consumer(self, why: str = "the client does not read what it is sent") -> None:
        """End it because the client does not keep up."""
        self.end(SessionOver(SLOW_CONSUMER, f"slow consumer: {why}"))

    async def drop_slow_consumer(self, why: str) -> bool:
        """Close its connection alone, where another is waited for; else False."""
        return await self._link.drop(SLOW_CONSUMER, f"slow consumer: {why}", SLOW_DEADLINE_S)

    def failed(self) -> None:
        """It has ended by a bug of ours."""
        self._over = SessionOver(1011, "internal error")

    @property
    def code(self) -> int:
        """What the session ended with: our own reason, or else what the connection says."""
        return self._over.close_code if self._over else self._link.wire.close_code or 1000

    async def say_goodbye(self, writer: Writer) -> None:
        """Tell the client, and close the connection, also where the client cannot be told. Not cancelled; it takes no
        longer than `CLOSE_DEADLINE_S`."""
        over = self._over or SessionOver(1000, "")
        if over.error is None and self._link.wire.close_code is not None:
            # The client has gone: there is nothing to wait for, and a deadline costs more than the close.
            with anyio.CancelScope(shield=True):
                await self._link.close(over.close_code, over.reason)
            return
        deadline_s = SLOW_DEADLINE_S if over.close_code == SLOW_CONSUMER else CLOSE_DEADLINE_S
        with anyio.move_on_after(deadline_s, shield=True):
            if over.error is not None:
                with suppress(WireClosed, ReadsTooSlowly), anyio.move_on_after(LAST_WORDS_S):
                    await writer.send(Problem(over.error))
            await self._link.close(over.close_code, over.reason)
