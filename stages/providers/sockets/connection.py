"""One connection to a service that is made again whenever it is lost, for as long as its owner runs it.

Theory of operation
-------------------
`run` belongs to the task group of a provider's `session()` view. It connects, says what the `Wire` wants said first,
and then one task reads and one writes. `send` never waits: it appends to an outbox that the writer empties, so that
whoever cancels does so from a plain function and the message is with the kernel a loop turn later. What is sent while
there is no connection is dropped: the wire keeps what it still needs, and says it in `greet`.

The keep-alive is sent when nothing was sent for a while, whether or not there is audio. A connection that opened is
good only once the service has said something, if it is one that speaks first. A lost connection is made again at once,
then after growing waits; after quick failures in a row, or a refusal, the socket rests until somebody wants it again.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHeaderValue,
    InvalidStatus,
    InvalidURI,
    WebSocketException,
)

from stages.errors import ErrorKind, ProviderError
from stages.providers.sockets.changes import Changes
from stages.providers.sockets.endpoint import Endpoint, Message, tls
from stages.providers.sockets.failures import Failures
from stages.providers.sockets.faults import close_fault, fault, status_fault

MAX_MESSAGE_BYTES = 4 << 20
"""Of one message of a service: a minute of audio in base64 is 4 MiB."""

MAX_OUTBOX = 2000
"""Messages that wait for a service that does not read: 40 s of audio in frames of 20 ms."""

_CLOSE_S = 0.5
_PING_S = 10.0
"""How often a pong is asked for, and how long it may take: a dead line is found within twice that."""

_quiet = logging.Logger("provider socket", logging.CRITICAL + 1)
"""The client's own log would have keys and words in it."""


class Wire(Protocol):
    """What one service's protocol adds to a socket. All of it is called on the event loop, and none of it waits."""

    def greet(self) -> Iterable[Message]:
        """What a new connection is sent first: settings, then everything that is still without an answer."""

    def receive(self, message: Message) -> None:
        """Take a message. A ProviderError that it raises ends the connection, and tells whether to try again."""

    def lost(self, error: ProviderError, *, for_good: bool) -> None:
        """The connection is gone. `for_good`: no other is made until `want` is called."""


class SocketState(Enum):
    """Where a socket is."""

    CONNECTING = "connecting"
    OPEN = "open"
    RESTING = "resting"
    """It failed, and is not tried again until somebody wants it."""


class _Connect(connect):
    """A redirect is a refusal: a key goes where it was meant to go, and nowhere else."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


@dataclass(slots=True)
class _Sent:
    """When something was sent last."""

    at: float


class ProviderSocket:
    """A connection that mends itself. Belongs to the loop; one task runs `run`."""

    def __init__(self, endpoint: Endpoint, wire: Wire) -> None:
        self.endpoint = endpoint
        self.state = SocketState.CONNECTING
        self.error: ProviderError | None = None
        """Why it rests."""
        self.keep_alive: Callable[[], Message | None] = lambda: endpoint.keep_alive
        """Makes what is sent when nothing has been for a while, for wires that must count it; None: nothing."""
        self._wire = wire
        self._failures = Failures(endpoint.retry)
        self._outbox: deque[Message] = deque()
        self._wake = Changes()
        self._scope = anyio.CancelScope()
        self._broken: list[ProviderError] = []
        """Why the present connection ends, the cause first."""
        self._rests_until = 0.0
        self._wanted = anyio.Event()

    def send(self, *messages: Message) -> bool:
        """Send, after what was sent before; never waits. False when there is no connection: `greet` will say it."""
        if self.state is not SocketState.OPEN:
            return False
        self._outbox.extend(messages)
        self._wake.tell()
        if len(self._outbox) > MAX_OUTBOX:
            self.give_up(fault(self.endpoint.service, ErrorKind.TIMEOUT, "it reads nothing any more"))
        return True

    def give_up(self, error: ProviderError) -> None:
        """End the present connection because of `error`, such as an answer that does not come."""
        self._broken.append(error)
        self._scope.cancel()

    def want(self) -> ProviderError | None:
        """Have it connect again if it rests; gives the error instead while it must be left alone."""
        if self.state is not SocketState.RESTING:
            return None
        if anyio.current_time() < self._rests_until:
            return self.error
        self.state, self.error = SocketState.CONNECTING, None
        self._wanted.set()
        return None

    async def run(self) -> None:
        """Keep connected until cancelled. A cancelled call closes the connection within half a second."""
        while True:
            error, lasted_s = await self._live()
            self.state = SocketState.CONNECTING
            wait_s = self._failures.lost(error, lasted_s)
            if wait_s is None:
                self.state, self.error, self._wanted = SocketState.RESTING, error, anyio.Event()
                self._rests_until = anyio.current_time() + self._failures.rest_s(error)
            self._wire.lost(error, for_good=wait_s is None)
            if wait_s is None:
                await self._wanted.wait()
            else:
                await anyio.sleep(wait_s)

    async def _live(self) -> tuple[ProviderError, float]:
        """One connection, from beginning to end: why it ended, and how long it was ready."""
        self._broken, self._scope = [], anyio.CancelScope()
        self._outbox.clear()
        ready_at: list[float] = []
        errors = self._broken
        with self._scope:
            try:
                errors.append(await self._converse(ready_at))
            except ProviderError as failed:
                errors.append(failed)
        return errors[0], anyio.current_time() - ready_at[0] if ready_at else 0.0

    async def _converse(self, ready_at: list[float]) -> ProviderError:
        service = self.endpoint.service
        client = await self._connected()
        try:
            with anyio.CancelScope() as first_word:
                if self.endpoint.speaks_first:
                    first_word.deadline = anyio.current_time() + self.endpoint.connect_s
                return await self._exchange(client, first_word, ready_at)
            return fault(service, ErrorKind.TIMEOUT, f"nothing came in {self.endpoint.connect_s:g} s")
        finally:
            self.state = SocketState.CONNECTING
            with anyio.move_on_after(_CLOSE_S, shield=True):
                await client.close()
            client.transport.abort()

    async def _exchange(
        self, client: ClientConnection, first_word: anyio.CancelScope, ready_at: list[float]
    ) -> ProviderError:
        error: ProviderError | None = None
        if self.endpoint.hello is not None:
            self._outbox.append(self.endpoint.hello)
        async with anyio.create_task_group() as tasks:
            if not self.endpoint.speaks_first:
                self._open(ready_at)
            sent = _Sent(anyio.current_time())
            tasks.start_soon(self._write, client, sent)
            tasks.start_soon(self._keep, client, sent)
            try:
                while True:
                    message = await client.recv()
                    self._receive(message)
                    if self.state is not SocketState.OPEN:
                        first_word.deadline = float("inf")
                        self._open(ready_at)
            except ConnectionClosed as closed:
                frame = closed.rcvd
                code, reason = (frame.code, frame.reason) if frame else (1006, "")
                error = close_fault(self.endpoint.service, code, reason, self.endpoint.close_codes)
            except ProviderError as refused:
                error = refused
            tasks.cancel_scope.cancel()
        assert error is not None
        return error

    def _receive(self, message: Message) -> None:
        try:
            self._wire.receive(message)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            # A field that is missing or of another type: a stranger's message, not a fault of ours.
            raise fault(self.endpoint.service, ErrorKind.PROTOCOL, type(error).__name__) from error

    def _open(self, ready_at: list[float]) -> None:
        ready_at.append(anyio.current_time())
        self.state = SocketState.OPEN
        self._outbox.extend(self._wire.greet())
        self._wake.tell()

    async def _connected(self) -> ClientConnection:
        endpoint = self.endpoint
        try:
            with anyio.fail_after(endpoint.connect_s):
                return await _Connect(
                    endpoint.url,
                    additional_headers=endpoint.headers,
                    open_timeout=None,
                    close_timeout=_CLOSE_S,
                    ping_interval=_PING_S,
                    ping_timeout=_PING_S,
                    max_size=MAX_MESSAGE_BYTES,
                    compression=None,
                    ssl=tls() if endpoint.url.startswith("wss:") else None,
                    logger=_quiet,
                )
        except InvalidStatus as refused:
            answer = refused.response
            raise status_fault(
                endpoint.service, answer.status_code, answer.headers.get("Retry-After")
            ) from None
        except TimeoutError:
            raise fault(
                endpoint.service, ErrorKind.TIMEOUT, f"no connection in {endpoint.connect_s:g} s"
            ) from None
        except (InvalidHeaderValue, InvalidURI):
            words = "its key or its address has characters that cannot be sent"
            raise fault(endpoint.service, ErrorKind.BAD_REQUEST, words) from None
        except (OSError, WebSocketException, EOFError, ImportError) as error:
            # Only its type: the text of some errors names the address. (An import fails for a proxy of another kind.)
            raise fault(endpoint.service, ErrorKind.NETWORK, type(error).__name__) from None

    async def _write(self, client: ClientConnection, sent: "_Sent") -> None:
        now = asyncio.get_running_loop().time  # once a message: anyio asks first which loop it is
        try:
            while True:
                while self._outbox:
                    await client.send(self._outbox.popleft())
                sent.at = now()
                await self._wake.wait()
        except ConnectionClosed:
            pass  # the reader says why

    async def _keep(self, client: ClientConnection, sent: "_Sent") -> None:
        """Keep the connection while nothing is sent. One timer at a time, and none a message."""
        keep_s = self.endpoint.keep_alive_s
        try:
            while True:
                await anyio.sleep_until(sent.at + keep_s)
                if anyio.current_time() < sent.at + keep_s:
                    continue
                sent.at = anyio.current_time()
                if self.state is SocketState.OPEN and (keep_alive := self.keep_alive()) is not None:
                    await client.send(keep_alive)
        except ConnectionClosed:
            pass  # the reader says why
