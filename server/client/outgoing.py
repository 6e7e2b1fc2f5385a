"""What a client is about to send, in order: the line may wait for the server, and the sound never for the line."""

from collections import deque
from collections.abc import Awaitable, Callable

import anyio

Frame = str | bytes

MOST_FRAMES = 500
"""Ten seconds of microphone: a line that has taken nothing for so long was called lost before."""


class Outgoing:
    """A bounded queue between one task that puts and one that sends."""

    def __init__(self, send: Callable[[Frame], Awaitable[None]], most_frames: int = MOST_FRAMES) -> None:
        self._send = send
        self._most_frames = most_frames
        self._waiting: deque[Frame] = deque()
        self._changed = anyio.Event()

    @property
    def has_room(self) -> bool:
        """Whether another frame may be put."""
        return len(self._waiting) < self._most_frames

    def put(self, frame: Frame) -> None:
        """Send this when all before it was. Whoever puts much asks first whether there is room."""
        self._waiting.append(frame)
        self._changed.set()

    async def run(self) -> None:
        """Send, until cancelled or `send` raises."""
        while True:
            while self._waiting:
                await self._send(self._waiting.popleft())
            self._changed = anyio.Event()
            await self._changed.wait()
