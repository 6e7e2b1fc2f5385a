"""Runs calls over sockets: two tasks a call, one that speaks at the sample clock and one that listens.

Times are seconds since the run began. A frame is due by the call's own clock, however late the loop is: what is
measured is counted from when the sample was to be spoken.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from math import inf

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from server.client.address import unreachable
from server.client.load.arrivals import choose
from server.client.load.audit import Audit, Lateness
from server.client.load.caller import Caller, Manner
from server.client.load.mouth import FRAME_S, Voicebox
from server.client.load.performance import Wish
from server.client.load.script import Mix
from server.client.load.targets import VOICE, Realtime, Voice
from server.client.load.turns import CallRecord, Ending, Turn
from server.client.load.wire import Target
from server.domain.errors import ServerError

CONNECT_S = 10.0
CLOSE_S = 1.0
RETRY_S = 0.5
"""Pause of a caller that was refused."""

WORST = 10
"""Turns whose audio is kept."""

BURST = 10
"""Frames that a caller who is late sends without a pause."""

LAG_STEP_S = 0.02
_MOST_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server is, and in what to talk to it."""

    url: str
    target: type[Target]
    api_key: str | None = None

    async def connect(self) -> ClientConnection:
        """A connection. Raises OSError, TimeoutError, WebSocketException."""
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else None
        names = [Subprotocol(name) for name in self.target.subprotocols]
        return await connect(
            self.url,
            additional_headers=headers,
            subprotocols=names or None,
            compression=None,
            max_size=_MOST_BYTES,
            open_timeout=CONNECT_S,
            close_timeout=CLOSE_S,
            ping_interval=None,
        )


class _Either(Realtime):
    """Offers both, to see which the server takes."""

    subprotocols = (VOICE, "realtime")


async def probe(place: Place | None, url: str, api_key: str | None) -> Place:
    """Open and close one connection; without a place, find out the protocol. Raises ServerError: nobody is there."""
    asked = place or Place(url, _Either, api_key)
    try:
        connection = await asked.connect()
    except (OSError, WebSocketException) as error:
        raise unreachable(url, error) from error
    chosen = connection.subprotocol
    with anyio.move_on_after(CLOSE_S):
        await connection.close()
    if place is None:
        return Place(url, Voice if chosen == VOICE else Realtime, api_key)
    if place.target.subprotocols and VOICE in place.target.subprotocols and chosen != VOICE:
        raise ServerError(f"the server at {url} does not speak {VOICE}; try --protocol realtime")
    return place


@dataclass(frozen=True, slots=True)
class Load:
    """How many calls: `callers` at a time, one after another, or at `times_s` however many there are."""

    duration_s: float
    callers: int = 0
    times_s: tuple[float, ...] = ()
    ramp_s: float = 0.0
    """In which the callers begin, evenly."""


@dataclass(slots=True)
class Run:
    """What has happened so far."""

    calls: list[CallRecord] = field(default_factory=list)
    talking: int = 0
    lasted_s: float = 0.0
    late: Lateness = field(default_factory=Lateness)
    lag: Lateness = field(default_factory=Lateness)
    cpu_s: float = 0.0
    due_frames: int = 0
    worst: list[Turn] = field(default_factory=list)

    def audit(self) -> Audit:
        """What the generator did."""
        late, lag = self.late, self.lag
        return Audit(
            late.n, late.percentile(50), late.percentile(99), late.most_ms,
            lag.percentile(50), lag.percentile(99), lag.most_ms,
            self.cpu_s / self.lasted_s if self.lasted_s else 0.0,
            late.n / self.due_frames if self.due_frames else 1.0,
        )  # fmt: skip

    def keep_worst(self, call: CallRecord) -> None:
        """Keep the audio of the ten turns that were waited for longest, and of no others."""
        found = sorted([*self.worst, *call.turns], key=lambda turn: turn.v2v_ms or -inf, reverse=True)
        self.worst = [turn for turn in found if turn.v2v_ms is not None][:WORST]
        kept = {id(turn) for turn in self.worst}
        for turn in found:
            if id(turn) not in kept:
                turn.audio = None


class Runner:
    """One run at one place. `run` may be cancelled; `so_far` then has what was measured."""

    def __init__(self, place: Place, mix: Mix, voicebox: Voicebox, load: Load, seed: int) -> None:
        self._place = place
        self._mix = mix
        self._voicebox = voicebox
        self._load = load
        self._seed = seed
        self._numbers = count()
        self._zero_s = 0.0
        self.so_far = Run()

    async def run(self, watch: Callable[[Run], object] = lambda _: None) -> Run:
        """All calls. `watch` is told once a second. Returns when the time is over, and no call goes on."""
        self._zero_s, cpu_s = _now(), time.process_time()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._look_after, watch)
                with anyio.move_on_after(self._load.duration_s):
                    await self._start_all()
                tasks.cancel_scope.cancel()
        finally:
            self.so_far.lasted_s = _now() - self._zero_s
            self.so_far.cpu_s = time.process_time() - cpu_s
        return self.so_far

    async def _start_all(self) -> None:
        load = self._load
        async with anyio.create_task_group() as calls:
            for number in range(load.callers):
                calls.start_soon(self._keep_calling, load.ramp_s * number / load.callers)
            for due_s in load.times_s:
                await anyio.sleep_until(self._zero_s + due_s)
                calls.start_soon(self._call, due_s)

    async def _keep_calling(self, first_s: float) -> None:
        """One caller of the closed model: one call after another."""
        await anyio.sleep_until(self._zero_s + first_s)
        while True:
            record = await self._call(_now() - self._zero_s)
            if record.ending in (Ending.REFUSED, Ending.LOST):
                await anyio.sleep(RETRY_S)

    async def _call(self, intended_s: float) -> CallRecord:
        number = next(self._numbers)
        scenario = choose(self._mix, number, self._seed)
        record = CallRecord(number, scenario.name, intended_s)
        self.so_far.calls.append(record)
        try:
            connection = await self._place.connect()
        except (OSError, WebSocketException) as error:
            record.ending, record.why = Ending.REFUSED, str(unreachable(self._place.url, error))
            return record
        record.connected_s = _now() - self._zero_s
        manner = Manner(self._mix.prebuffer_ms, self._load.callers <= 50 or number % 10 == 0, self._seed)
        caller = Caller(self._place.target(), scenario, self._voicebox, record, manner)
        self.so_far.talking += 1
        try:
            await _Talk(connection, caller, self.so_far).hold()
        finally:
            self._note(record, caller)
            with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSE_S):
                await connection.close()
        return record

    def _note(self, record: CallRecord, caller: Caller) -> None:
        """The call is over: its times become those of the run."""
        self.so_far.talking -= 1
        caller.settle()
        caller.abandon("the call had ended" if record.ending is Ending.LOST else "the run was over")
        began_s = record.connected_s or 0.0
        record.ended_s = _now() - self._zero_s
        for turn in record.turns:
            turn.shift(began_s)
        self.so_far.keep_worst(record)

    async def _look_after(self, watch: Callable[[Run], object]) -> None:
        """Measure the loop's lag, and tell how things are."""
        for number in count(1):
            due_s = _now() + LAG_STEP_S
            await anyio.sleep_until(due_s)
            self.so_far.lag.add(_now() - due_s)
            if number % round(1 / LAG_STEP_S) == 0:
                self.so_far.lasted_s = _now() - self._zero_s
                watch(self.so_far)


class _Talk:
    """One call's two tasks."""

    def __init__(self, connection: ClientConnection, caller: Caller, run: Run) -> None:
        self._connection = connection
        self._caller = caller
        self._run = run
        self._zero_s = _now()

    async def hold(self) -> None:
        """Until the script has ended, or the connection has."""
        caller, began_s = self._caller, self._zero_s
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listen, tasks.cancel_scope)
                with suppress(ConnectionClosed):  # which the listener tells
                    await self._speak()
                    tasks.cancel_scope.cancel()
        finally:
            self._run.due_frames += int((_now() - began_s) / FRAME_S)
        if caller.wish is Wish.CUT:
            self._connection.transport.abort()

    async def _speak(self) -> None:
        caller, connection, free_s = self._caller, self._connection, self._zero_s
        at_once = 0
        while not caller.is_done:
            due_s = self._zero_s + caller.due_s()
            wait_s = due_s - _now()
            # Who is late catches up, as a microphone does, but starves nobody; asyncio's own pause costs the least.
            if wait_s > 0 or at_once == BURST:
                at_once = 0
                await asyncio.sleep(max(0.0, wait_s))
            at_once += 1
            self._run.late.add(_now() - max(due_s, free_s))
            for message in caller.tick():
                await connection.send(message)
            free_s = _now()  # a server that does not read is no fault of ours
        endings = {Wish.TALK: Ending.DONE, Wish.HANG_UP: Ending.HUNG_UP, Wish.CUT: Ending.CUT}
        caller.record.ending = endings[caller.wish]

    async def _listen(self, call: anyio.CancelScope) -> None:
        caller, record = self._caller, self._caller.record
        with suppress(ConnectionClosed):
            async for message in self._connection:
                caller.take(message, _now() - self._zero_s)
                if (pause_s := self._zero_s + caller.reads_from_s - _now()) > 0:
                    await anyio.sleep(pause_s)
        if not caller.is_done:
            record.ending = Ending.LOST
            code, reason = self._connection.close_code, self._connection.close_reason
            record.why = f"closed by the server with {code} {reason or ''}".rstrip()
        call.cancel()


def _now() -> float:
    return asyncio.get_running_loop().time()
