"""Tells whoever waits that something has changed; telling costs nothing while nobody does."""

import asyncio


class Changes:
    """Wakes all who wait, each time anew. Belongs to the loop."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    def tell(self) -> None:
        """Something has changed."""
        if self._waiting:
            told, self._waiting = self._waiting, []
            for waiting in told:
                if not waiting.done():
                    waiting.set_result(None)

    async def wait(self) -> None:
        """Until the next change. Cancel-safe."""
        waiting = asyncio.get_running_loop().create_future()  # once a message: an event costs twice as much
        self._waiting.append(waiting)
        try:
            await waiting
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            raise
