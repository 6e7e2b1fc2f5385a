"""A WebSocket connection that no client can use to starve the others: input is metered and cut into slices.

Theory of operation
-------------------
The library parses whatever the socket delivers in one go, and one read may hold 43,000 empty frames: one
client could keep the event loop busy for seconds. `GuardedConnection` stands between transport and parser.
What arrives goes to the parser slice by slice, a little of it in each turn of the loop, while a token bucket is not
empty. It counts what input costs: its bytes, and for each frame, however small, `FRAME_COST_BYTES`. It is paid
afterwards, so it may go below zero by one slice; then the client waits until it is refilled, and what it has sent
already waits in a backlog.

While it waits, its socket is not read: TCP slows it down, nothing is lost, and the backlog is never longer
than one read. Nobody is closed for that: a client that obeys may send for as long as it likes. Its pongs wait
too, so the library's own timeout for them would close it; what counts instead is that nothing at all has come
for `silence_s` while we were reading.

The library stops reading when the session does not take its messages; that stops the parser too, and what
was on its way to it goes on in a later turn of the loop, so that nobody takes messages without end. A message
that is large (`server.gateway.frame_memory`) stops it by itself, until the session has dealt with it.

The parser gets nothing between a request and its answer: the library would take what is in it, or an end, for
the end of the connection, and fail to answer. What a client says early waits; what follows a plain request is
thrown away.

Only public parts of the library are overridden: the callbacks of `asyncio.Protocol`, `handshake`, `recv`,
`process_event`, and the two callbacks of the message queue.
"""

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from websockets.asyncio.server import ServerConnection
from websockets.frames import DATA_OPCODES, Frame
from websockets.protocol import OPEN, Event

from server.domain.loop_share import LoopShare
from server.domain.token_bucket import TokenBucket
from server.gateway.frame_memory import FINISH_S, LARGE_BYTES, Claim, FrameMemory
from server.gateway.request_body import RequestBody

ABNORMAL = 1006
"""Nobody said good-bye."""

SLICE_BYTES = 2048
"""Parsed in one go: at most 341 frames of a client, the smallest of which is 6 bytes long."""

FRAME_COST_BYTES = 768
"""What a frame costs beside its bytes. So a microphone that sends every block of 128 samples, 375 frames a second, is
within the limit, and a flood of empty frames is slowed down to 680 a second, which are some percent of a core."""

STEP_BYTES = 64 << 10
"""Parsed in one turn of the loop, at the same cost: 85 frames, a millisecond."""

STEPS_A_TURN = 2
"""Of all clients that send more than that; what one of them alone sends is taken as fast as before."""

RETRY_S = 0.25
"""How soon a large frame is looked at again for which there was no memory."""

UNSENT_BYTES = 16 << 10
"""What the kernel takes beyond what the network takes: a quarter of a second of audio."""

POLICY_VIOLATION, INTERNAL_ERROR = 1008, 1011


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """How much one client may send. 24 kHz PCM in base64 JSON at 50 frames a second is 70 kB/s, 110 with its frames."""

    bytes_per_s: int = 512 << 10
    burst_bytes: int = 4 << 20
    silence_s: float = 40.0
    """After so long without a byte, though pings were sent, the client is gone."""


class _Intake(StrEnum):
    """What happens to input that arrives."""

    REQUEST = "request"
    """It is looked at for the body of an HTTP request, which the parser would not take."""
    ANSWERING = "answering"
    """It waits until the request is answered, unless nobody will want it then."""
    OPEN = "open"
    """It goes to the parser."""
    METERED = "metered"
    """It waits until the client may send again."""
    FULL = "full"
    """It waits until the session takes messages again."""
    LARGE = "large"
    """It waits until the session has dealt with a large message."""
    OVER = "over"
    """It is thrown away: the connection is ending."""


class GuardedConnection(ServerConnection):
    """For `websockets.serve(create_connection=GuardedConnection.with_limits(...))`."""

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
        limits, now = self.limits, self.loop.time()
        self._bucket = TokenBucket(limits.bytes_per_s, limits.burst_bytes, now, least=STEP_BYTES / 8)
        self._step_bytes = 0
        self._heard_at = now
        self._silence_timer = self.loop.call_later(limits.silence_s, self._check_silence)
        self._intake = _Intake.REQUEST
        self.request_body = RequestBody()
        """What came with the request, apart from its head."""
        self._has_ended = False
        self._backlog = bytearray()
        self._parsed_frames = 0
        self._fragment_bytes = 0
        """Of a message whose last frame has not come."""
        self._claim: Claim | None = None
        """The memory of a large message that is on its way, or that the session deals with."""
        self._timer: asyncio.Handle | None = None
        self._abort_timer: asyncio.TimerHandle | None = None
        self._keep_little_in_the_kernel()
        self.recv_messages.pause = self._session_is_full
        self.recv_messages.resume = self._session_is_ready

    def data_received(self, data: bytes) -> None:
        """Take what the socket delivered; as much of it as the limits allow is parsed now."""
        self._step_bytes = 0
        match self._intake:
            case _Intake.OPEN if not self._backlog and len(data) <= SLICE_BYTES:  # nearly always
                self._parse(data)
            case _Intake.OPEN:
                self._backlog += data
                self._go_on()
            case (
                _Intake.METERED | _Intake.FULL | _Intake.LARGE
            ):  # reading is paused, but some transports have a buffer
                self._backlog += data
            case _Intake.REQUEST:
                self._take_request(data)
            case _Intake.ANSWERING if not self.request_body.is_plain:
                self._backlog += data
                self.transport.pause_reading()
            case _Intake.ANSWERING | _Intake.OVER:
                pass

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

    def _keep_little_in_the_kernel(self) -> None:
        """Megabytes would fit there: a minute of audio that nobody reads, and that no flush can take back."""
        connection = self.transport.get_extra_info("socket")
        if connection is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            with suppress(OSError):  # a socket that is not TCP, or gone already
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)

    async def handshake(self, *args: Any, **kwargs: Any) -> None:
        """Answer the request; what the client has said in the meantime is looked at afterwards."""
        await super().handshake(*args, **kwargs)
        if self._intake is _Intake.ANSWERING and self.protocol.state is OPEN:
            self._intake = _Intake.OPEN
            self._go_on()
            if self._has_ended:
                self.eof_received()
                self.transport.close()

    def process_event(self, event: Event) -> None:
        """Count what the parser found, control frames included."""
        self._parsed_frames += 1
        super().process_event(event)
        if isinstance(event, Frame) and event.opcode in DATA_OPCODES:
            self._fragment_bytes = 0 if event.fin else self._fragment_bytes + len(event.data)
            if event.fin and self._claim is not None:
                self._claim.keep(len(event.data))
                self._intake = _Intake.LARGE
                self.transport.pause_reading()

    async def recv(self, decode: bool | None = None) -> str | bytes:  # type: ignore[override]  # one of its three forms
        """The next message; whoever asks for it has dealt with the one before. Raises ConnectionClosed. Cancel-safe."""
        if self._intake is _Intake.LARGE and not len(self.recv_messages.frames):
            self._release_claim()
            self._intake = _Intake.FULL  # which the library's queue may be too
            if not self.recv_messages.paused:
                self._session_is_ready()
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
        if self._intake is _Intake.ANSWERING and not self.protocol.close_expected():
            self._has_ended = True
            return self.transport.can_write_eof()
        self._stop()
        super().eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave no timer behind."""
        self._stop()
        self._release_claim()
        for timer in (self._timer, self._abort_timer, self._silence_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def _take_request(self, data: bytes) -> None:
        head, rest = self.request_body.feed(data)
        if self.request_body.is_done:
            self._intake = _Intake.ANSWERING
            super().data_received(head)
            self._backlog += rest
            if self.protocol.close_expected():  # that was no request
                self._abort_later()

    # --- the meter ----------------------------------------------------------------------------------------

    def _parse(self, data: bytes) -> None:
        self._parsed_frames = 0
        super().data_received(data)
        now = self._heard_at = self.loop.time()
        cost_bytes = len(data) + self._parsed_frames * FRAME_COST_BYTES
        self._step_bytes += cost_bytes
        if self._bucket.spend(cost_bytes, now) <= 0:
            self._hold(self._bucket.wait_s(now))
        elif self._step_bytes >= STEP_BYTES:
            self._hold(0.0)
        if len(self.protocol.reader.buffer) + self._fragment_bytes > LARGE_BYTES:
            self._claim_memory()
        if self.protocol.close_expected():
            self._abort_later()

    def _go_on(self) -> None:
        """Parse the backlog, slice by slice, as far as the client and the session let us."""
        while self._backlog and self._intake is _Intake.OPEN:
            piece = bytes(self._backlog[:SLICE_BYTES])
            del self._backlog[:SLICE_BYTES]
            self._parse(piece)
        if self._intake is _Intake.OPEN and not self.transport.is_closing():
            self.transport.resume_reading()

    def _hold(self, wait_s: float) -> None:
        """Let the client wait; for no time at all, it is the turn of the others."""
        if self._intake not in (_Intake.OPEN, _Intake.FULL):
            return  # it waits already, or is about to be sent away
        self._intake = _Intake.METERED
        self.transport.pause_reading()
        if wait_s:
            self._timer = self.loop.call_later(wait_s, self._release)
        else:
            self.share.later(self._release)

    def _release(self) -> None:
        if self._intake is _Intake.METERED:
            self._resume()

    def _resume(self) -> None:
        """Go on in this turn of the loop, unless the session is not ready, or there is no memory."""
        self._step_bytes = 0
        self._heard_at = self.loop.time()
        self._intake = _Intake.FULL if self.recv_messages.paused else _Intake.OPEN
        if len(self.protocol.reader.buffer) + self._fragment_bytes > LARGE_BYTES:
            self._claim_memory()
        self._go_on()

    # --- large messages -----------------------------------------------------------------------------------

    def _claim_memory(self) -> None:
        if self._claim is None:
            self._claim = self.memory.claim(self._evicted, self.loop.time())
            if self._claim is None:
                self._hold(RETRY_S)

    def _release_claim(self) -> None:
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    def _evicted(self) -> None:
        self._claim = None
        self._give_up(POLICY_VIOLATION, f"a large frame took more than {FINISH_S:g} s, and others wait")

    # --- the session's own pace ---------------------------------------------------------------------------

    def _session_is_full(self) -> None:
        if self._intake is _Intake.OPEN:
            self._intake = _Intake.FULL
            self.transport.pause_reading()

    def _session_is_ready(self) -> None:
        if self._intake is _Intake.FULL:
            self._intake = _Intake.METERED
            self._timer = self.loop.call_soon(self._release)

    # --- the end ------------------------------------------------------------------------------------------

    def _check_silence(self) -> None:
        """Whether the client is still there, as far as we would know: it may be that we have not read."""
        now = self.loop.time()
        if self._intake is not _Intake.OPEN:
            self._heard_at = now
        left_s = self._heard_at + self.limits.silence_s - now
        if left_s <= 0 and self.protocol.state is OPEN:
            self._give_up(INTERNAL_ERROR, "keepalive ping timeout")
        else:
            again_s = left_s if left_s > 0 else self.limits.silence_s
            self._silence_timer = self.loop.call_later(again_s, self._check_silence)

    def _give_up(self, code: int, reason: str) -> None:
        self._stop()
        self.protocol.fail(code, reason)
        self.send_data()
        self.transport.resume_reading()  # to notice that the client is gone; what it says is thrown away
        self._abort_later()

    def _abort_later(self) -> None:
        """A client that is told to go must go: the library waits for it without a limit."""
        if self._abort_timer is None and self.close_timeout is not None:
            self._abort_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def _stop(self) -> None:
        self._intake = _Intake.OVER
        self._backlog.clear()
