"""One client that sends too much is slowed down and sent away; its neighbours do not notice.

The tests with sockets use the real clock with wide bounds: what is asserted is who had to wait, not how fast.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import ClassVar

import anyio
import anyio.abc
import anyio.lowlevel
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.protocol import Event

from server.gateway.sockets.connection import STEPS_A_TURN, GuardedConnection
from server.gateway.sockets.frame_memory import FrameMemory
from server.gateway.sockets.meter import FRAME_COST_BYTES, SLICE_BYTES, STEP_BYTES, IntakeLimits
from tests.support.patience import PATIENCE_S

# --- real sockets -----------------------------------------------------------------------------------------

MASK = bytes(4)
EMPTY_TEXT = b"\x81\x80" + MASK
PING = b"\x89\x80" + MASK
EMPTY_FRAGMENT = b"\x00\x80" + MASK
FIRST_FRAGMENT = b"\x01\x80" + MASK
LAST_FRAGMENT = b"\x80\x80" + MASK


class Echo:
    """An echo server that counts what reached it; `enough` messages are waited for."""

    def __init__(self, enough: int = 0) -> None:
        self.messages = 0
        self.wanted, self.enough = enough, anyio.Event()
        self.has_ended = anyio.Event()
        self.how: tuple[int | None, int | None] = (None, None)
        """Close codes of the first connection that ended: sent, received."""

    async def __call__(self, connection: ServerConnection) -> None:
        try:
            while True:
                message = await connection.recv()
                self.messages += 1
                if self.messages == self.wanted:
                    self.enough.set()
                await connection.send(message)
        except ConnectionClosed as error:
            if not self.has_ended.is_set():
                self.how = (error.sent.code if error.sent else None, error.rcvd.code if error.rcvd else None)
            self.has_ended.set()


@asynccontextmanager
async def serving(
    echo: Echo, limits: IntakeLimits, *, max_size: int = 1 << 20, memory: FrameMemory | None = None
) -> AsyncIterator[str]:
    server = serve(
        echo,
        "127.0.0.1",
        0,
        create_connection=GuardedConnection.with_limits(limits, memory),
        compression=None,
        max_size=max_size,
        close_timeout=1,
        ping_timeout=None,
    )
    async with server as running:
        yield f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}"


class Hostile:
    """A client that does as it likes: raw bytes over TCP, after a proper handshake."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self._stream = stream
        self.last_words = b""

    @classmethod
    @asynccontextmanager
    async def connected(cls, url: str) -> AsyncIterator["Hostile"]:
        host, port = url.removeprefix("ws://").split(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(
                b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            assert b" 101 " in await stream.receive()
            yield cls(stream)

    async def flood(self, block: bytes) -> None:
        """Send without end, and listen, until the server has had enough."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._send_for_ever, block)
            await self.listen()
            tasks.cancel_scope.cancel()

    async def listen(self) -> None:
        """Until the server has closed."""
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            while True:
                self.last_words = (self.last_words + await self._stream.receive())[-200:]

    async def _send_for_ever(self, block: bytes) -> None:
        with suppress(anyio.BrokenResourceError):
            while True:
                await self._stream.send(block)

    async def send(self, data: bytes) -> None:
        await self._stream.send(data)

    def was_closed_with(self, code: int, reason: str) -> bool:
        payload = code.to_bytes(2, "big") + reason.encode()
        return self.last_words.endswith(bytes([0x88, len(payload)]) + payload)


async def echo_in_turn(url: str, count: int) -> None:
    """Let a neighbour say so many words, and hear each before the next."""
    async with connect(url, compression=None) as neighbour:
        for number in range(count):
            await neighbour.send(str(number))
            assert await neighbour.recv() == str(number)
            await anyio.sleep(0.02)


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(EMPTY_TEXT * 40_000, id="tiny frames"),
        pytest.param(PING * 40_000, id="pings"),
        pytest.param((FIRST_FRAGMENT + EMPTY_FRAGMENT * 50 + LAST_FRAGMENT) * 800, id="empty fragments"),
    ],
)
async def test_a_flood_is_parsed_a_little_in_each_turn_of_the_loop_and_nobody_is_sent_away(
    block: bytes,
) -> None:
    class Watched(GuardedConnection):
        events_of_turn: ClassVar[list[int]] = [0]

        def process_event(self, event: Event) -> None:
            if self.events_of_turn[-1] == 0:
                self.loop.call_soon(self.events_of_turn.append, 0)
            self.events_of_turn[-1] += 1
            super().process_event(event)

    echo, events = Echo(), Watched.events_of_turn
    watched = Watched.with_limits(IntakeLimits())
    server = serve(echo, "127.0.0.1", 0, create_connection=watched, compression=None, close_timeout=1)
    async with server as running:
        url = f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}"
        async with Hostile.connected(url) as hostile:
            with anyio.fail_after(PATIENCE_S):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(hostile.flood, block)
                    while sum(events) < 5000:  # noqa: ASYNC110  # the loop's turns are what is looked at
                        await anyio.sleep(0.01)
                    await echo_in_turn(url, 5)
                    tasks.cancel_scope.cancel()
            assert echo.how in ((None, None), (1000, 1000)), "the neighbour is the first to leave"
    a_slice = SLICE_BYTES // len(EMPTY_TEXT)
    assert max(events) <= STEP_BYTES // FRAME_COST_BYTES + a_slice


async def test_large_frames_of_many_clients_share_a_turn_of_the_loop() -> None:
    class Watched(GuardedConnection):
        bytes_of_turn: ClassVar[list[int]] = [0]

        def _parse(self, data: bytes) -> bool:
            if self.bytes_of_turn[-1] == 0:
                self.loop.call_soon(self.bytes_of_turn.append, 0)
            self.bytes_of_turn[-1] += len(data)
            return super()._parse(data)

    large, clients = 1 << 20, 10
    echo = Echo(enough=clients)
    watched = Watched.with_limits(IntakeLimits(), FrameMemory(clients * large, large))
    server = serve(echo, "127.0.0.1", 0, create_connection=watched, compression=None, max_size=large)
    async with server as running:
        url = f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}"

        async def upload() -> None:
            async with Hostile.connected(url) as client:
                await client.flood(b"\x82\xff" + large.to_bytes(8, "big") + MASK + bytes(large))

        async with anyio.create_task_group() as tasks:
            for _ in range(clients):
                tasks.start_soon(upload)
            with anyio.fail_after(PATIENCE_S):
                await echo.enough.wait()
            tasks.cancel_scope.cancel()
    assert sum(Watched.bytes_of_turn) >= clients * large
    a_step = STEP_BYTES + SLICE_BYTES
    # Each that went on in one turn may have something from the socket in the next. The first turns see first steps.
    usual = sorted(Watched.bytes_of_turn)[:-clients]
    assert max(usual) <= 2 * STEPS_A_TURN * a_step < clients * STEP_BYTES / 2


def test_every_block_of_an_audio_worklet_may_be_a_frame_of_its_own() -> None:
    for rate_hz, block_bytes in ((24_000, 344 + 60), (48_000, 256 + 12), (48_000, 344 + 60)):
        cost_bytes = rate_hz / 128 * (block_bytes + 8 + FRAME_COST_BYTES)
        assert cost_bytes < IntakeLimits().bytes_per_s


async def test_a_flood_reaches_the_session_at_the_rate_of_the_limit() -> None:
    echo = Echo()
    limits = IntakeLimits(bytes_per_s=100 * FRAME_COST_BYTES, burst_bytes=50 * FRAME_COST_BYTES)
    async with serving(echo, limits) as url, Hostile.connected(url) as hostile:
        began = anyio.current_time()
        with anyio.move_on_after(1.0):
            await hostile.flood(EMPTY_TEXT * 10_000)
        elapsed = anyio.current_time() - began
        assert echo.messages <= 50 + 100 * elapsed + SLICE_BYTES // len(EMPTY_TEXT)
        assert echo.messages >= 50


async def test_a_client_in_a_hurry_is_slowed_down_and_loses_nothing() -> None:
    echo = Echo()
    limits = IntakeLimits(bytes_per_s=200_000, burst_bytes=20_000)
    messages = [str(number) * 1000 for number in range(60)]  # 110 kB
    async with serving(echo, limits) as url, connect(url, compression=None) as client:
        began = anyio.current_time()
        async with anyio.create_task_group() as tasks:

            async def send() -> None:
                for message in messages:
                    await client.send(message)

            tasks.start_soon(send)
            with anyio.fail_after(PATIENCE_S):
                assert [await client.recv() for _ in messages] == messages
        assert anyio.current_time() - began > 0.3  # 90 kB at 200 kB/s


async def test_a_session_that_does_not_read_loses_nothing_either() -> None:
    release, heard = anyio.Event(), []
    count = 300

    async def slow(connection: ServerConnection) -> None:
        await release.wait()
        for _ in range(count):
            heard.append(await connection.recv())

    limits = IntakeLimits()
    async with serve(
        slow, "127.0.0.1", 0, create_connection=GuardedConnection.with_limits(limits), max_queue=4
    ) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}", compression=None) as client:
            for number in range(count):
                await client.send(str(number))
            release.set()
            with anyio.fail_after(PATIENCE_S):
                await client.wait_closed()
    assert heard == [str(number) for number in range(count)]


async def test_what_is_sent_at_once_keeps_its_place_among_what_is_sent() -> None:
    async def speak(connection: ServerConnection) -> None:
        assert isinstance(connection, GuardedConnection)
        for number in range(5):
            assert connection.send_now(f"{number} é")
            await connection.send(bytes([number]) * 70_000)
            assert connection.send_now(b"")
        await connection.close()
        assert not connection.send_now("too late")

    async with serve(
        speak, "127.0.0.1", 0, create_connection=GuardedConnection.with_limits(IntakeLimits())
    ) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}", compression=None) as client:
            with anyio.fail_after(PATIENCE_S):
                heard = [message async for message in client]
    assert heard == [
        message for number in range(5) for message in (f"{number} é", bytes([number]) * 70_000, b"")
    ]


async def test_nothing_is_sent_at_once_to_a_client_that_does_not_read() -> None:
    sent, has_ended = 0, anyio.Event()

    async def speak(connection: ServerConnection) -> None:
        nonlocal sent
        assert isinstance(connection, GuardedConnection)
        while sent < 1000 and connection.send_now(bytes(100_000)):
            sent += 1
            await anyio.lowlevel.checkpoint()
        has_ended.set()

    async with serve(
        speak,
        "127.0.0.1",
        0,
        create_connection=GuardedConnection.with_limits(IntakeLimits()),
        close_timeout=1,
    ) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Hostile.connected(url):
            with anyio.fail_after(PATIENCE_S):
                await has_ended.wait()
    assert sent < 1000


async def test_a_client_that_is_slowed_down_for_long_lives_though_its_pongs_wait() -> None:
    echo = Echo()
    limits = IntakeLimits(bytes_per_s=20_000, burst_bytes=10_000, silence_s=0.2)
    async with serving(echo, limits) as url, connect(url, compression=None, max_size=None) as client:
        await client.send(bytes(60_000))
        with anyio.fail_after(PATIENCE_S):
            assert len(await client.recv()) == 60_000


async def test_a_client_that_says_nothing_at_all_is_closed() -> None:
    echo = Echo()
    async with serving(echo, IntakeLimits(silence_s=0.3)) as url, Hostile.connected(url) as dead:
        with anyio.fail_after(PATIENCE_S):
            await dead.listen()
    assert dead.was_closed_with(1011, "keepalive ping timeout")


async def test_a_client_that_can_come_back_is_given_up_sooner() -> None:
    class Impatient(Echo):
        async def __call__(self, connection: ServerConnection) -> None:
            assert isinstance(connection, GuardedConnection)
            connection.expect_life(0.3)
            await super().__call__(connection)

    async with serving(Impatient(), IntakeLimits()) as url, Hostile.connected(url) as dead:
        with anyio.fail_after(PATIENCE_S):
            await dead.listen()
    assert dead.was_closed_with(1011, "keepalive ping timeout")


async def test_large_frames_take_turns_for_the_memory_and_all_arrive() -> None:
    size, memory = 1 << 20, FrameMemory(2 << 20, 1 << 20)
    arrived = list[int]()

    async def upload(url: str) -> None:
        async with connect(url, compression=None) as client:
            await client.send(bytes(size))
            assert len(await client.recv()) == size
            arrived.append(memory.used_bytes)

    limits = IntakeLimits(bytes_per_s=64 << 20)
    async with serving(Echo(), limits, memory=memory) as url:
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                for _ in range(6):
                    tasks.start_soon(upload, url)
    assert len(arrived) == 6
    assert max(arrived) <= 2 << 20
    assert memory.used_bytes == 0


async def test_unfinished_frames_hold_no_more_than_the_memory_there_is() -> None:
    memory = FrameMemory(3 << 20, 1 << 20)
    async with serving(Echo(), IntakeLimits(), memory=memory) as url, AsyncExitStack() as stack:
        hostiles = [await stack.enter_async_context(Hostile.connected(url)) for _ in range(8)]
        header = b"\x82\xff" + (1 << 20).to_bytes(8, "big") + MASK
        async with anyio.create_task_group() as tasks:
            for hostile in hostiles:
                tasks.start_soon(hostile.send, header + bytes((1 << 20) - 1))
            with anyio.fail_after(PATIENCE_S):
                while memory.used_bytes < 3 << 20:  # noqa: ASYNC110  # nobody tells
                    await anyio.sleep(0.01)
            await anyio.sleep(0.2)  # in which it stays at that
            tasks.cancel_scope.cancel()
        assert memory.used_bytes == 3 << 20
        await echo_in_turn(url, 3)


async def test_a_giant_frame_is_refused_with_1009() -> None:
    echo = Echo()
    async with serving(echo, IntakeLimits(), max_size=10_000) as url:
        async with connect(url, compression=None) as client:
            await client.send("x" * 10_001)
            with anyio.fail_after(PATIENCE_S):
                await client.wait_closed()
            assert client.close_code == 1009
        await echo_in_turn(url, 3)


async def test_a_client_that_will_not_close_is_cut_off() -> None:
    """After 1009 the library waits for the client to close its socket; this one does not."""
    echo = Echo()
    async with serving(echo, IntakeLimits(), max_size=10_000) as url, Hostile.connected(url) as hostile:
        await hostile.send(b"\x81\xfe\xff\xff" + MASK)
        with anyio.fail_after(PATIENCE_S):
            await echo.has_ended.wait()
    assert echo.how == (1009, None)


async def test_a_frame_may_come_in_any_pieces() -> None:
    echo = Echo()
    message = "é" * 5_000
    async with serving(echo, IntakeLimits()) as url, connect(url, compression=None) as client:
        for _ in range(3):
            await client.send([message[:1], message[1:4000], message[4000:]])
            assert await client.recv() == message


async def test_whole_frames_parts_and_bytes_come_in_order_and_what_is_no_utf_8_ends_with_1007() -> None:
    echo = Echo()
    mixed = b"\x81\x81" + MASK + b"1" + b"\x01\x81" + MASK + b"2" + b"\x80\x81" + MASK + b"3"
    mixed += b"\x82\x81" + MASK + b"4" + PING + b"\x81\x81" + MASK + b"5"
    async with serving(echo, IntakeLimits()) as url, connect(url, compression=None) as client:
        for data, expected in ((mixed, ["1", "23", b"4", "5"]), (b"\x81\x81" + MASK + b"6", ["6"])):
            client.transport.write(data)
            assert [await client.recv() for _ in expected] == expected
        client.transport.write(b"\x81\x81" + MASK + b"\xff")
        with pytest.raises(ConnectionClosed):
            await client.recv()
    assert client.close_code == 1007


async def test_a_client_that_vanishes_while_it_waits_leaves_nothing_behind() -> None:
    echo = Echo()
    limits = IntakeLimits(bytes_per_s=100 * FRAME_COST_BYTES, burst_bytes=FRAME_COST_BYTES)
    async with serving(echo, limits) as url:
        async with connect(url, compression=None) as client:
            client.transport.write(EMPTY_TEXT * 200)
            await client.recv()
            client.transport.abort()
        with anyio.fail_after(PATIENCE_S):
            await echo.has_ended.wait()
    assert echo.how == (None, None), "nobody said good-bye"
