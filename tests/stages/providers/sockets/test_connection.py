"""The connection that mends itself, on real sockets: first words, keep-alive, retries, rest and secrets."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import anyio
import pytest

from stages.errors import ErrorKind, ProviderBusy, ProviderError, ProviderRejected, ProviderTimeout
from stages.providers.sockets.connection import ProviderSocket, SocketState
from stages.providers.sockets.endpoint import Endpoint, Message
from stages.providers.sockets.failures import RetryPolicy
from stages.testing.servers.faults import NONE, Faults
from stages.testing.servers.line import FakeServer, Line, Opening, Refusal
from stages.testing.servers.serving import serving
from tests.support.patience import PATIENCE_S

SECRET = "sk-very-secret"
QUICKLY = RetryPolicy(wait_s=0.01)


class Parrot:
    """Says every text back, after a word of its own if it speaks first."""

    def __init__(self, first: str = "") -> None:
        self._first = first

    def judge(self, opening: Opening) -> Refusal | None:
        return None if opening.headers.get("authorization") == f"Token {SECRET}" else Refusal(401, SECRET)

    async def refuse(self, line: Line) -> None:
        await line.close(4001, f"the key {SECRET} is wrong"[:15])

    async def converse(self, line: Line) -> None:
        if self._first:
            await line.tell(self._first)
        async for message in line.messages():
            await line.tell(message)


class Notes:
    """A wire that writes down what happens to it."""

    def __init__(self, greeting: Iterable[Message] = ()) -> None:
        self.greeting = list(greeting)
        self.received: list[Message] = []
        self.losses: list[tuple[ProviderError, bool]] = []
        self.changed = anyio.Event()

    def greet(self) -> Iterable[Message]:
        return self.greeting

    def receive(self, message: Message) -> None:
        self.received.append(message)
        if message == "die":
            raise ProviderError("told to")
        self._change()

    def lost(self, error: ProviderError, *, for_good: bool) -> None:
        self.losses.append((error, for_good))
        self._change()

    def _change(self) -> None:
        self.changed.set()
        self.changed = anyio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        with anyio.fail_after(PATIENCE_S):
            while not condition():
                await self.changed.wait()


@asynccontextmanager
async def connected(
    notes: Notes,
    service: Parrot | None = None,
    faults: Faults = NONE,
    key: str = SECRET,
    keep_alive: str | None = None,
    keep_alive_s: float = 0.05,
    connect_s: float = 5.0,
    retry: RetryPolicy = QUICKLY,
) -> AsyncIterator[tuple[ProviderSocket, FakeServer]]:
    service = service or Parrot()
    async with serving(service, faults) as server:
        endpoint = Endpoint(
            "parrot",
            server.url,
            {"Authorization": f"Token {key}"},
            speaks_first=bool(service._first),  # noqa: SLF001 - its test
            keep_alive=keep_alive,
            keep_alive_s=keep_alive_s,
            connect_s=connect_s,
            retry=retry,
        )
        socket = ProviderSocket(endpoint, notes)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(socket.run)
            yield socket, server
            tasks.cancel_scope.cancel()


async def test_says_its_greeting_and_hears_the_answers() -> None:
    notes = Notes(["settings", b"audio"])
    async with connected(notes) as (socket, _):
        await notes.until(lambda: len(notes.received) == 2)
        assert socket.send("more", "and more")
        await notes.until(lambda: len(notes.received) == 4)
    assert notes.received == ["settings", b"audio", "more", "and more"]
    assert not socket.send("too late")


async def test_one_that_speaks_first_is_ready_with_its_first_word() -> None:
    notes = Notes(["settings"])
    async with connected(notes, Parrot("hello")) as (_, server):
        await notes.until(lambda: len(notes.received) == 2)
        assert [frame.message for frame in server.frames] == ["hello", "settings", "settings"]


async def test_one_that_never_says_its_first_word_is_given_up() -> None:
    notes = Notes()
    async with connected(notes, Parrot("hello"), Faults(silent=True), connect_s=0.1) as (socket, server):
        await notes.until(lambda: socket.state is SocketState.RESTING)
        assert len(server.openings) == 3
    assert isinstance(socket.error, ProviderTimeout)


async def test_the_keep_alive_needs_no_audio() -> None:
    notes = Notes()
    async with connected(notes, keep_alive="still here"):
        await notes.until(lambda: len(notes.received) >= 3)
    assert set(notes.received) == {"still here"}


async def test_a_lost_connection_is_made_again_and_greeted_again() -> None:
    notes = Notes(["settings"])
    async with connected(notes, faults=Faults(cut_after=1, connections=1)) as (socket, server):
        await notes.until(lambda: len(notes.received) == 1)
        socket.send("cut me")
        await notes.until(lambda: len(notes.received) == 2)
        assert len(server.openings) == 2
    assert [(error.kind, for_good) for error, for_good in notes.losses] == [(ErrorKind.NETWORK, False)]


async def test_quick_failures_in_a_row_end_it_until_it_is_wanted_after_its_rest() -> None:
    notes = Notes(["settings"])
    retry = RetryPolicy(wait_s=0.01, rest_s=0.2)
    async with connected(notes, faults=Faults(cut_after=0), retry=retry) as (socket, server):
        await notes.until(lambda: socket.state is SocketState.RESTING)
        assert [for_good for _, for_good in notes.losses] == [False, False, True]
        assert socket.want() is socket.error is not None
        server.faults = NONE
        await anyio.sleep(0.3)
        assert socket.want() is None
        await notes.until(lambda: notes.received == ["settings"])


@pytest.mark.parametrize(
    ("faults", "kind", "error"),
    [
        (Faults(refuse_status=401), ErrorKind.AUTH, ProviderRejected),
        (Faults(refuse_status=402), ErrorKind.QUOTA, ProviderRejected),
        (Faults(refuse_status=429, retry_after_s=7), ErrorKind.RATE, ProviderBusy),
        (Faults(refuse_in_band=True), ErrorKind.BAD_REQUEST, ProviderRejected),
    ],
)
async def test_a_refusal_is_not_tried_again(faults: Faults, kind: ErrorKind, error: type) -> None:
    notes = Notes()
    async with connected(notes, faults=faults) as (socket, server):
        await notes.until(lambda: bool(notes.losses))
        assert socket.state is SocketState.RESTING
        assert len(server.openings) == 1
    (lost, for_good), *more = notes.losses
    assert (lost.kind, type(lost), for_good, more) == (kind, error, True, [])
    assert lost.retry_after_s == faults.retry_after_s


async def test_a_redirect_is_not_followed() -> None:
    """Keys stand in headers of all names; wherever it leads, they were not meant for there."""
    notes = Notes()
    async with connected(notes, faults=Faults(refuse_status=307)) as (socket, _):
        await notes.until(lambda: bool(notes.losses))
        assert isinstance(socket.error, ProviderRejected)


async def test_a_server_that_is_not_there() -> None:
    notes = Notes()
    async with serving(Parrot()) as server:
        url = server.url
    socket = ProviderSocket(Endpoint("parrot", url, retry=RetryPolicy(wait_s=0.01)), notes)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(socket.run)
        await notes.until(lambda: socket.state is SocketState.RESTING)
        tasks.cancel_scope.cancel()
    assert socket.error is not None
    assert socket.error.kind is ErrorKind.NETWORK


async def test_whoever_waits_in_vain_gives_a_connection_up() -> None:
    notes = Notes(["settings"])
    async with connected(notes) as (socket, server):
        await notes.until(lambda: len(notes.received) == 1)
        socket.give_up(ProviderTimeout("no answer"))
        await notes.until(lambda: len(notes.received) == 2)
        assert len(server.openings) == 2
    assert str(notes.losses[0][0]) == "no answer"


async def test_a_wire_may_refuse_a_message() -> None:
    notes = Notes(["settings"])
    async with connected(notes) as (socket, _):
        await notes.until(lambda: len(notes.received) == 1)
        socket.send("die")
        await notes.until(lambda: notes.received == ["settings", "die", "settings"])
    assert [str(error) for error, _ in notes.losses] == ["told to"]


async def test_no_secret_is_in_an_error_or_in_what_is_printed_of_an_endpoint() -> None:
    notes = Notes()
    async with connected(notes, key="sk-wrong") as (socket, _):
        await notes.until(lambda: bool(notes.losses))
        told = f"{notes.losses} {socket.endpoint} {socket.error!r}"
    assert "sk-" not in told


async def test_ten_sessions_leave_no_connection() -> None:
    async with serving(Parrot()) as server:
        for _ in range(10):
            notes = Notes(["settings"])
            socket = ProviderSocket(
                Endpoint("parrot", server.url, {"Authorization": f"Token {SECRET}"}), notes
            )
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(socket.run)
                await notes.until(lambda notes=notes: bool(notes.received))  # type: ignore[misc]
                tasks.cancel_scope.cancel()
        with anyio.fail_after(PATIENCE_S):
            await server.left_alone()
        assert len(server.openings) == 10


@pytest.mark.parametrize("key", ["sk-1\n", "sk-1\r\nX-Evil: 1", "sk-…"])
async def test_a_key_that_cannot_be_sent_is_a_refusal(key: str) -> None:
    notes = Notes()
    async with connected(notes, key=key) as (socket, server):
        await notes.until(lambda: socket.state is SocketState.RESTING)
        assert isinstance(socket.error, ProviderRejected)
        assert "sk-" not in str(socket.error)
        assert not server.openings
