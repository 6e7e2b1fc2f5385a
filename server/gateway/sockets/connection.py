"""A WebSocket connection that no client can use to starve the others: input is metered and cut into slices.

Theory of operation
-------------------
The library parses whatever the socket delivers in one go, and one read may hold 43,000 empty frames: one
client could keep the event loop busy for seconds. So an `Intake` stands between transport and parser.
What arrives goes to the parser slice by slice, a little of it in each turn of the loop, while a token bucket is not
empty (`Meter`); then the client waits until it is refilled, and what it has sent already waits in a backlog.

While it waits, its socket is not read: TCP slows it down, nothing is lost, and the backlog is never longer
than one read. Nobody is closed for that: a client that obeys may send for as long as it likes. Its pongs wait
too, so the library's own timeout for them would close it; what counts instead is that nothing at all has come
for `silence_s` while we were reading.

The library stops reading when the session does not take its messages; that stops the parser too, and what
was on its way to it goes on in a later turn of the loop, so that nobody takes messages without end. A message
that is large (`server.gateway.sockets.frame_memory`) stops it by itself, until the session has dealt with it.

A read that is one whole message, as a frame of a microphone nearly always is, goes straight to the session that waits
for one (`whole_message`), as long as the parser stands between two messages; and the session may deal with it at once,
without its reader being woken (`NextMessage.hear`).

The parser gets nothing between a request and its answer: the library would take what is in it, or an end, for
the end of the connection, and fail to answer. What a client says early waits; what follows a plain request is
thrown away.

Only public parts of the library are overridden: the callbacks of `asyncio.Protocol`, `handshake`, `recv`,
`process_event`, and the two callbacks of the message queue.
"""

import asyncio
import socket
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from websockets.asyncio.server import ServerConnection
from websockets.frames import DATA_OPCODES, Frame
from websockets.protocol import OPEN, Event

from server.domain.loop_share import LoopShare
from server.gateway.sockets.frame_memory import FINISH_S, FrameMemory
from server.gateway.sockets.intake import Intake, IntakeState
from server.gateway.sockets.large_message import LargeMessage
from server.gateway.sockets.meter import IntakeLimits, Meter
from server.gateway.sockets.next_message import NextMessage
from server.gateway.sockets.request_body import RequestBody
from server.gateway.sockets.silence_watch import SilenceWatch
from server.gateway.sockets.whole_message import waits_for_a_frame

ABNORMAL = 1006
"""Nobody said good-bye."""

STEPS_A_TURN = 2
"""Of all clients that send more than that; what one of them alone sends is taken as fast as before."""

UNSENT_BYTES = 16 << 10
"""What the kernel takes beyond what the network takes: a quarter of a second of audio."""

POLICY_VIOLATION, INTERNAL_ERROR = 1008, 1011

TOO_LONG_ON_ITS_WAY = f"a large frame took more than {FINISH_S:g} s, and others wait"


class GuardedConnection(ServerConnection):
    """A connection whose input is metered, for
    `websockets.serve(create_connection=GuardedConnection.with_limits(...))`."""

    limits: ClassVar[IntakeLimits] = IntakeLimits()
    memory: ClassVar[FrameMemory] = FrameMemory(64 << 20, 1 << 20)
    share: ClassVar[LoopShare]
    """What all connections that send more than a step have of a turn of the loop."""

    @classmethod
    def with_limits(
        cls, limits: IntakeLimits, memory: FrameMemory | None = None
    ) -> type["GuardedConnection"]:
        """The same connection with other limits; all connections of a server share the memory."""
        share = LoopShare(STEPS_A_TURN)
        return type(cls.__name__, (cls,), {"limits": limits, "memory": memory or cls.memory, "share": share})

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start with full buckets."""
        super().connection_made(transport)
        self.request_body = RequestBody()
        """What came with the request, apart from its head."""
        self._is_between = False
        """Whether the parser has nothing of the next frame."""
        self.coming = NextMessage()
        """For who waits in `recv`."""
        self._meter = Meter(self.limits, self.loop.time())
        self._large = LargeMessage(self.memory, partial(self._give_up, POLICY_VIOLATION, TOO_LONG_ON_ITS_WAY))
        self._intake = Intake(self, self._parse, self._meter, self._large, self.share)
        lost = partial(self._give_up, INTERNAL_ERROR, "keepalive ping timeout")
        self._silence = SilenceWatch(self.loop, self._intake, self.limits.silence_s, lost)
        self._abort_timer: asyncio.TimerHandle | None = None
        _keep_little_in_the_kernel(transport)
        self.recv_messages.pause = self._intake.session_is_full
        self.recv_messages.resume = self._intake.session_is_ready

    def data_received(self, data: bytes) -> None:
        """Take what the socket delivered; as much of it as the limits allow is parsed now."""
        match self._intake.state:
            case IntakeState.REQUEST:
                self._take_request(data)
            case IntakeState.ANSWERING:
                if not self.request_body.is_plain:
                    self._intake.keep(data)
                    self.transport.pause_reading()
            case _:
                self._intake.take(data)

    def expect_life(self, silence_s: float) -> None:
        """Give a client up that has been silent for so long, if that is shorter than the limit: it can come back."""
        self._silence.shorten(silence_s)

    @property
    def ended_with(self) -> int | None:
        """The close code of whoever closed first, 1006 where nobody did; None while the connection is open."""
        protocol = self.protocol
        sent, received = protocol.close_sent, protocol.close_rcvd
        if sent is not None and not (received is not None and protocol.close_rcvd_then_sent):
            return int(sent.code)
        if received is not None:
            return int(received.code)
        return None if protocol.state is OPEN else ABNORMAL

    async def handshake(self, *args: Any, **kwargs: Any) -> None:
        """Answer the request; what the client has said in the meantime is looked at afterwards."""
        await super().handshake(*args, **kwargs)
        before = self._intake.state
        if before in (IntakeState.ANSWERING, IntakeState.HALF_CLOSED) and self.protocol.state is OPEN:
            self._intake.open()
            if before is IntakeState.HALF_CLOSED:
                self.eof_received()
                self.transport.close()

    def process_event(self, event: Event) -> None:
        """Count what the parser found, control frames included."""
        self._meter.frames += 1
        if not isinstance(event, Frame) or event.opcode not in DATA_OPCODES:
            super().process_event(event)
            return
        if not self.coming.offer(event):
            super().process_event(event)
        if self._large.take(len(event.data), is_last=event.fin):
            self._intake.hold_large()

    async def recv(self, decode: bool | None = None) -> str | bytes:  # type: ignore[override]  # one of its three forms
        """The next message; whoever asks for it has dealt with the one before. Raises ConnectionClosed. Cancel-safe."""
        queue, coming = self.recv_messages, self.coming
        if self._intake.state is IntakeState.LARGE and not (len(queue.frames) or coming.is_there):
            self._intake.release_large()
        if decode is None:
            if not (coming.is_there or queue.closed or len(queue.frames)):
                await coming.wait()
            if (message := coming.take()) is not None:
                return message
        return await super().recv(decode)

    def send_now(self, frame: str | bytes) -> bool:
        """Write a frame at once if nothing is in its way; if not (False), `send` waits, or says what is wrong.

        The same as `send` for the ordinary case, in 1.7 instead of 4.3 µs.
        """
        if self.protocol.state is not OPEN or self.paused or self.transport.is_closing():
            return False
        if isinstance(frame, str):
            self.protocol.send_text(frame.encode())
        else:
            self.protocol.send_binary(frame)
        self.send_data()
        return True

    def eof_received(self) -> bool:  # type: ignore[override]  # the library's says None and means False
        """The client will send no more; what still waits would come too late for the parser.

        A client that has only closed its own half after its request is answered all the same.
        """
        if self._intake.state is IntakeState.ANSWERING and not self.protocol.close_expected():
            self._intake.state = IntakeState.HALF_CLOSED
            return self.transport.can_write_eof()
        self._intake.stop()
        super().eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave no timer behind."""
        self._intake.stop()
        self._large.release()
        self._silence.stop()
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        super().connection_lost(exc)
        self.coming.wake()

    def _take_request(self, data: bytes) -> None:
        head, rest = self.request_body.feed(data)
        if self.request_body.is_done:
            self._intake.state = IntakeState.ANSWERING
            self._parse(head)
            self._intake.keep(rest)

    def _parse(self, data: bytes) -> bool:
        """Whether it was a whole message, so that the parser stands where it stood."""
        protocol = self.protocol
        if (
            self._is_between
            and protocol.state is OPEN
            and self.coming.offer_read(data, protocol.max_message_size)
        ):
            self._meter.frames += 1
            return True
        super().data_received(data)
        self._is_between = not protocol.debug and waits_for_a_frame(protocol)
        if protocol.close_expected():  # it was no request, or nothing that a client may send
            self._abort_later()
        return False

    # --- the end ------------------------------------------------------------------------------------------

    def _give_up(self, code: int, reason: str) -> None:
        if self.protocol.state is not OPEN:
            return
        self._intake.stop()
        self.protocol.fail(code, reason)
        self.send_data()
        self.transport.resume_reading()  # to notice that the client is gone; what it says is thrown away
        self._abort_later()

    def _abort_later(self) -> None:
        """A client that is told to go must go: the library waits for it without a limit."""
        if self._abort_timer is None and self.close_timeout is not None:
            self._abort_timer = self.loop.call_later(self.close_timeout, self.transport.abort)


def _keep_little_in_the_kernel(transport: asyncio.BaseTransport) -> None:
    """Megabytes would fit there: a minute of audio that nobody reads, and that no flush can take back."""
    connection = transport.get_extra_info("socket")
    if connection is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        with suppress(OSError):  # a socket that is not TCP, or gone already
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
