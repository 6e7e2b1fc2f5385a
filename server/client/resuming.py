"""A connection of a `voice.v1` client that comes back by itself when the line is lost, and loses nothing.

It counts what it gets and keeps what it has sent lately. When the socket is gone it opens another, says by the token of
its session which frame it got last, and is told how much of what it sent has arrived; it sends the rest again, in
order. Whoever uses it notices nothing but the time.
"""

import json
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from typing import Any

import anyio
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from server.dialects.voice.frames import unpack_frame

LEFT = 4000
"""Our own: the line is left, and not the session."""

LOST = frozenset({1006, 1011, 1012, 1014, 4408, LEFT})
"""Close codes after which coming back helps; all others are answers."""

KEPT_EVENTS, KEPT_AUDIO = 1024, 2500
"""Of what was sent: events, and 50 s of microphone in frames of 20 ms, longer than a server usually waits."""

FIRST_WAIT_S, MOST_WAIT_S = 0.1, 4.0
MOST_GREETING_S = 30.0
"""To whoever has tried several times."""

_PREFIX = "x-resume."
_MOVE = '{"type":"x_move"'

Frame = str | bytes
Connect = Callable[[Sequence[str]], Awaitable[ClientConnection]]
"""Opens a socket; given what is offered beside `voice.v1`."""


_Kept = tuple[int, int, Frame]
"""Its number among all frames; of an event how many were before it, of audio its place in the microphone; the frame."""


TellLine = Callable[[float | None], object]
"""Is told that the line is lost (None), or that it is back after so many seconds."""


class _Refused(Exception):
    """The session is gone for good."""


class SentFrames:
    """What was sent lately, and is sent again where it has not arrived. Old sound goes before an event does."""

    def __init__(self) -> None:
        self._frames = 0
        self._events = 0
        self._kept_events: deque[_Kept] = deque(maxlen=KEPT_EVENTS)
        self._kept_audio: deque[_Kept] = deque(maxlen=KEPT_AUDIO)

    def add(self, frame: Frame) -> None:
        """The next frame was sent, or would have been."""
        if isinstance(frame, str):
            self._kept_events.append((self._frames, self._events, frame))
            self._events += 1
        else:
            self._kept_audio.append((self._frames, unpack_frame(frame).offset_samples, frame))
        self._frames += 1

    def missing(self, received_events: int, microphone_offset: int) -> Iterator[Frame]:
        """What has not arrived, and what is added meanwhile, in order."""
        done = -1
        while waiting := [kept for kept in merge(self._kept_events, self._kept_audio) if kept[0] > done]:
            for number, place, frame in waiting:
                done = number
                if place >= (received_events if isinstance(frame, str) else microphone_offset):
                    yield frame


@dataclass(slots=True)
class LineLosses:
    """How often the line was lost, and for how long."""

    outages_s: list[float] = field(default_factory=list)
    """From when each was noticed until what was missed was there."""
    returns_s: list[float] = field(default_factory=list)
    """The same from the first byte to a server that could be reached."""
    tell: TellLine = lambda _: None
    """Is called as `changed` is."""
    _lost_at_s: float = 0.0

    def changed(self, return_s: float | None) -> None:
        """See `ResumingConnection`."""
        if return_s is None:
            self._lost_at_s = anyio.current_time()
        else:
            self.outages_s.append(anyio.current_time() - self._lost_at_s)
            self.returns_s.append(return_s)
        self.tell(return_s)


class ResumingConnection:
    """One session over as many sockets as it takes. One task receives, any may send."""

    def __init__(
        self,
        socket: ClientConnection,
        connect: Connect,
        on_line: TellLine = lambda return_s: None,
        *,
        comes_back: bool = True,
        greeting_s: float = 5.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Unless it `comes_back` this is a socket like any other. `on_line` is told when the line is lost (None), and
        when it is back how long that took once the server could be reached. It may take `greeting_s` to greet; longer
        in each further try, as otherwise nobody could come back to a server that is just slower than that."""
        self.socket = socket
        """The one there is, or the last there was."""
        self.last_seq = 0
        """Frames that have come."""
        self.is_back = True
        """Whether what is sent goes to a socket, and not only to what is kept."""
        self._connect = connect
        self._on_line = on_line
        self._comes_back = comes_back
        self._greeting_s = greeting_s
        self._chance = chance
        self._token: str | None = None
        self._grace_s = 0.0
        self._sent = SentFrames()

    async def __aiter__(self) -> AsyncIterator[Frame]:
        try:
            while True:
                yield await self.recv()
        except ConnectionClosed:
            return

    async def recv(self) -> Frame:
        """The next frame of the session. Raises ConnectionClosed when it is over."""
        while True:
            try:
                frame = await self.socket.recv()
            except ConnectionClosed as closed:
                if not self._may_come_back(closed) or not await self._come_back():
                    raise
                continue
            self.last_seq += 1
            if self._comes_back and isinstance(frame, str):
                if self._token is None:
                    self._learn(json.loads(frame).get("x_resume"))
                elif frame.startswith(_MOVE):
                    await self.socket.close(LEFT)  # it is about to stop; another socket leads to another node
            return frame

    async def send(self, frame: Frame) -> None:
        """Send a frame, now or when the line is back. Raises ConnectionClosed when the session is over."""
        if self._comes_back:
            self._sent.add(frame)
        if not self.is_back:
            return
        try:
            await self.socket.send(frame)
        except ConnectionClosed as closed:
            if not self._may_come_back(closed):
                raise

    async def close(self) -> None:
        """Say good-bye: the session is over."""
        self._token = None
        await self.socket.close()

    def _may_come_back(self, closed: ConnectionClosed) -> bool:
        code = self.socket.close_code
        if closed.sent is not None and not closed.rcvd_then_sent:
            code = closed.sent.code
        return self._token is not None and code in LOST

    def _learn(self, offer: Any) -> None:
        if offer is not None:
            self._token, self._grace_s = offer["token"], offer["grace_ms"] / 1000

    async def _come_back(self) -> bool:
        """Whether the session goes on over another socket."""
        self.is_back = False
        self._on_line(None)
        wait_s, greeting_s = FIRST_WAIT_S, self._greeting_s
        with anyio.move_on_after(self._grace_s):
            while self._token is not None:
                try:
                    await self._reach(greeting_s)
                except _Refused:
                    return False
                except (OSError, WebSocketException, TimeoutError):
                    await anyio.sleep(wait_s * (0.5 + self._chance() / 2))
                    wait_s = min(2 * wait_s, MOST_WAIT_S)
                    greeting_s = min(2 * greeting_s, max(MOST_GREETING_S, greeting_s))
                    continue
                return True
        return False

    async def _reach(self, greeting_s: float) -> None:
        began_s = anyio.current_time()
        socket = await self._connect([f"{_PREFIX}{self.last_seq}.{self._token}"])
        before, self.socket = self.socket, socket
        try:
            with anyio.fail_after(greeting_s):
                greeting = json.loads(await socket.recv())
        except ConnectionClosed as closed:
            if socket.close_code in LOST:
                raise
            raise _Refused from closed
        except BaseException:
            socket.transport.abort()  # it is not waited for any more, and has not been the session's
            self.socket = before
            raise
        self._learn(greeting["resume"])
        for frame in self._sent.missing(greeting["received_events"], greeting["microphone_offset"]):
            await socket.send(frame)
        self.is_back = True
        self._on_line(anyio.current_time() - began_s)
