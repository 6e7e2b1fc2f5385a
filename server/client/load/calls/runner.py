"""Runs calls: as many at a time as there are to be, or each at its time. Times are seconds since the run began."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count, takewhile

import anyio
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

from server.client.address import unreachable
from server.client.load.calls.arrivals import choose
from server.client.load.calls.caller import Caller, Manner
from server.client.load.calls.caller_connection import CallerConnection, FrameMasks
from server.client.load.calls.clock import now
from server.client.load.calls.metronome import Metronome
from server.client.load.calls.place import CLOSE_S, Place
from server.client.load.calls.returning_talk import ReturningTalk
from server.client.load.calls.run import WORST, Run
from server.client.load.calls.slowest import Slowest
from server.client.load.calls.talk import Talk
from server.client.load.calls.turns import CallRecord, Ending, Outcome
from server.client.load.hearing.mouth import FRAME_S, Voicebox
from server.client.load.script import Mix

__all__ = ["Load", "Place", "Run", "Runner"]

RETRY_S = 0.5
"""Pause of a caller that was refused."""

FEW = 50
"""Of more callers than these each tenth keeps what it hears, and listens for words: that costs. Of what the others hear
the slowest answers are kept."""

RUN_OVER = "the run was over"
"""Why nothing can be said of a turn."""

LAST_ANSWERS_S = 10.0
"""Who waits for an answer when the time is over hears it, if it comes within that: the waits that the end would cut off
are the longest, and without them a server that is late would look better than it is."""

LAG_STEP_S, WATCH_S = 0.02, 1.0


@dataclass(frozen=True, slots=True)
class Load:
    """How many calls: `callers` at a time, one after another, or at `times_s` however many there are."""

    duration_s: float
    callers: int = 0
    times_s: tuple[float, ...] = ()
    ramp_s: float = 0.0
    """In which the callers begin, evenly."""
    canaries: int = 0
    """So many more callers, who keep what they hear and are the same beside every load; the others then do not."""
    share: tuple[int, int] = (0, 1)
    """Of so many processes the one of this number: it makes each so-manieth call. All calls are the same however many
    processes there are."""


class Runner:
    """Makes the calls of one run at one place. `run` may be cancelled; `so_far` then has what was measured."""

    def __init__(self, place: Place, mix: Mix, voicebox: Voicebox, load: Load, seed: int) -> None:
        self._place = place
        self._mix = mix
        self._voicebox = voicebox
        self._load = load
        self._seed = seed
        self._zero_s = 0.0
        self._metronome = Metronome()
        self._masks = FrameMasks()
        self._callers = set[Caller]()
        """Whose calls go on."""
        self._slowest = Slowest(WORST)
        self.so_far = Run(since_s=load.ramp_s)

    async def run(self, watch: Callable[[Run], object] = lambda _: None) -> Run:
        """All calls. `watch` is told once a second. Returns when the time is over and what was said until then is
        answered, or is waited for no longer; no call goes on then."""
        self._zero_s, cpu_s = now(), time.process_time()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._metronome.run)
                tasks.start_soon(self._look_after, watch)
                with anyio.CancelScope() as calls:
                    tasks.start_soon(self._end_in_time, calls)
                    await self._start_all()
                tasks.cancel_scope.cancel()
        finally:
            self.so_far.lasted_s = now() - self._zero_s
            self.so_far.cpu_s = time.process_time() - cpu_s
        return self.so_far

    @property
    def _ends_s(self) -> float:
        return self._zero_s + self._load.duration_s

    async def _end_in_time(self, calls: anyio.CancelScope) -> None:
        """End the calls, which all go on until the last answer has come: who waits for it does so beside the load."""
        await anyio.sleep_until(self._ends_s)
        with anyio.move_on_after(LAST_ANSWERS_S):
            while self._is_answer_to_come():  # noqa: ASYNC110  # who is answered tells nobody: nearly all are
                await anyio.sleep(FRAME_S)
        calls.cancel()

    def _is_answer_to_come(self) -> bool:
        return any(caller.awaits_answer(self._load.duration_s) for caller in self._callers)

    async def _start_all(self) -> None:
        load = self._load
        async with anyio.create_task_group() as calls:
            first, step = load.share
            for number in range(first, load.callers, step):
                calls.start_soon(self._keep_calling, number, load.callers)
            for number in range(first, load.canaries, step):
                calls.start_soon(self._keep_calling, -1 - number, -load.canaries)
            for number, due_s in list(enumerate(load.times_s))[first::step]:
                await anyio.sleep_until(self._zero_s + due_s)
                calls.start_soon(self._call, number, due_s)

    async def _keep_calling(self, caller: int, step: int) -> None:
        """One caller of the closed model, or a canary, whose numbers are below zero: one call after another."""
        await anyio.sleep_until(self._zero_s + self._load.ramp_s * caller / step)
        for number in takewhile(lambda _: now() < self._ends_s, count(caller, step)):
            record = await self._call(number, now() - self._zero_s)
            if record.ending in (Ending.REFUSED, Ending.LOST):
                await anyio.sleep(RETRY_S)

    async def _call(self, number: int, intended_s: float) -> CallRecord:
        scenario = choose(self._mix, number, self._seed)
        record = CallRecord(number, scenario.name, intended_s, is_canary=number < 0)
        self.so_far.began(record)
        comes_back = self._place.target.can_resume and scenario.loses_its_line
        try:
            connection = await (self._place.connect() if comes_back else self._place.call())
        except (OSError, WebSocketException) as error:
            record.ending, record.why = Ending.REFUSED, str(unreachable(self._place.url, error))
            self.so_far.ended(record)
            return record
        record.connected_s = now() - self._zero_s
        manner = Manner(self._mix.prebuffer_ms, self._keeps_audio(number), self._seed, self._slowest)
        caller = Caller(self._place.target(), scenario, self._voicebox, record, manner)
        talk = self._talk(connection, caller)
        self.so_far.talking += 1
        self._callers.add(caller)
        try:
            await talk.hold()
        finally:
            self._note(record, caller)
            with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSE_S):
                await talk.close()
        return record

    def _keeps_audio(self, number: int) -> bool:
        load = self._load
        if load.canaries:
            return number < 0
        return max(load.callers, len(load.times_s)) <= FEW or number % 10 == 0

    def _talk(self, connection: ClientConnection, caller: Caller) -> Talk | ReturningTalk:
        if isinstance(connection, CallerConnection):
            return Talk(connection, caller, self.so_far, self._metronome, self._masks)
        return ReturningTalk(connection, self._place, caller, self.so_far)

    def _note(self, record: CallRecord, caller: Caller) -> None:
        """The call is over: its times become those of the run."""
        self.so_far.talking -= 1
        self._callers.discard(caller)
        caller.settle()
        caller.abandon("the call had ended" if record.ending is Ending.LOST else RUN_OVER)
        began_s = record.connected_s or 0.0
        record.ended_s = now() - self._zero_s
        for turn in record.turns:
            turn.shift(began_s)
            if turn.said_s[1] > self._load.duration_s:
                turn.outcome, turn.reason = Outcome.DISCARDED, RUN_OVER
        self.so_far.ended(record)

    async def _look_after(self, watch: Callable[[Run], object]) -> None:
        """Measure the loop's lag, and tell how things are."""
        woke_s = told_s = now()
        while True:
            due_s = woke_s + LAG_STEP_S  # also of what it takes to tell how things are
            await anyio.sleep_until(due_s)
            woke_s = now()
            self.so_far.lag.add(woke_s - due_s)
            if woke_s - told_s >= WATCH_S:
                told_s = woke_s
                self.so_far.lasted_s = now() - self._zero_s
                watch(self.so_far)
