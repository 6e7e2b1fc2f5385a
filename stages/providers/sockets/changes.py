"""Tells whoever waits that something has changed; telling costs nothing while nobody does."""

import asyncio


class Changes:
    """Wakes all who wait, each time anew. Belongs to the loop."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next: asyncio.Event | None = None

    def tell(self) -> None:
        """Something has changed."""
        if self._next is not None:
            self._next.set()
            self._next = None

    async def wait(self) -> None:
        """Until the next change. Cancel-safe."""
        if self._next is None:
            self._next = asyncio.Event()  # once a message: anyio's costs five times as much to make
        await self._next.wait()
