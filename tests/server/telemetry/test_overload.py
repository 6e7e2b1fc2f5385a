"""More callers than a node can answer in time: some are refused at once, and those that were let in are answered."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from statistics import median

import anyio
import pytest

from server.telemetry.model_queues import UNUSED_LOOKS, ModelQueues
from server.telemetry.pressure import LOOK_S, Pressure, Strain
from stages.runtime.worker_counts import WorkerStatistics
from stages.testing.virtual_time import run_virtual

CALL_S = 0.27
"""What a model takes for a call, as the recogniser does on two cores, and what says that a turn is over."""

Start = Callable[..., object]
"""Starts a task."""

SPEAKS_S, LISTENS_S = 2.0, 3.0

MAX_WAIT_S = 0.5


@dataclass
class Model:
    """One call at a time, in the order of coming."""

    call_s: float = CALL_S
    waiting: int = 0
    calls: int = 0
    spent_s: float = 0.0
    begun_at: float | None = None

    def __post_init__(self) -> None:
        self.free = anyio.Lock()

    async def call(self, call_s: float | None = None) -> float:
        """How long it was waited for."""
        asked_at, self.waiting = anyio.current_time(), self.waiting + 1
        try:
            await self.free.acquire()
        finally:
            self.waiting -= 1
        self.begun_at = anyio.current_time()
        waited_s = self.begun_at - asked_at
        with anyio.CancelScope(shield=call_s is None):
            await anyio.sleep(self.call_s if call_s is None else call_s)
        self.calls, self.spent_s = self.calls + 1, self.spent_s + anyio.current_time() - self.begun_at
        self.begun_at = None
        self.free.release()
        return waited_s

    def statistics(self) -> WorkerStatistics:
        running_s = 0.0 if self.begun_at is None else anyio.current_time() - self.begun_at
        return WorkerStatistics(
            waiting=self.waiting,
            running=int(self.begun_at is not None),
            done=self.calls,
            dropped=0,
            pressing=self.waiting,
            pressed=self.calls,
            pressed_s=self.spent_s,
            computed=self.calls,
            computed_s=self.spent_s,
            running_s=running_s,
        )


@dataclass
class Node:
    """Sessions that ask two models one after the other, and are let in as long as the pressure is light."""

    max_wait_s: float = MAX_WAIT_S
    is_remote: bool = False
    speaking: int = 0
    live: int = 0
    let_in_at: list[float] = field(default_factory=list)
    refused_at: list[float] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    turns: list[tuple[float, Strain]] = field(default_factory=list)
    """When it began to refuse, and to take sessions again."""

    def __post_init__(self) -> None:
        self.pressure = Pressure(0.25, self.max_wait_s)
        self.ears, self.voice = Model(), Model()
        self.queues = ModelQueues(cores=2)

    def workers(self) -> dict[tuple[str, int], WorkerStatistics]:
        found = {("ears", 1): self.ears.statistics(), ("voice", 2): self.voice.statistics()}
        return {} if self.is_remote else found

    def would_be_late(self) -> bool:
        return 0.0 < self.max_wait_s < self.queues.forecast_s(self.workers(), self.speaking + 1)

    async def look(self) -> None:
        while True:
            await anyio.sleep(LOOK_S)
            before, now = self.pressure.strain, anyio.current_time()
            self.pressure.note(0.0, self.queues.look(self.workers(), self.speaking), now)
            if self.pressure.strain is not before:
                self.turns.append((now, self.pressure.strain))

    async def call(self, stays_s: float = 60.0) -> None:
        if self.pressure.strain is Strain.HEAVY or self.would_be_late():
            self.refused_at.append(anyio.current_time())
            return
        self.let_in_at.append(anyio.current_time())
        with anyio.move_on_after(stays_s):
            while True:
                await self.speak()
                self.waits_s.append(await self.ears.call() + await self.voice.call())
                await anyio.sleep(LISTENS_S)

    async def speak(self) -> None:
        self.speaking += 1
        try:
            await anyio.sleep(SPEAKS_S)
        finally:
            self.speaking -= 1


def story(node: Node, tell: Callable[[Node, Start], Awaitable[None]]) -> Node:
    """What happens to a node that is looked at; what `tell` starts is over when that is."""

    async def main() -> Node:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(node.look)
            await tell(node, tasks.start_soon)
            tasks.cancel_scope.cancel()
        return node

    return run_virtual(main)


async def warmed_up(node: Node) -> None:
    for _ in range(3):
        await node.ears.call()
        await node.voice.call()


async def burst(node: Node, start: Start, callers: int, stays_s: float = 60.0) -> float:
    """They come evenly within a second; when the first one came."""
    await warmed_up(node)
    began_at = anyio.current_time()
    for _ in range(callers):
        start(node.call, stays_s)
        await anyio.sleep(1 / callers)
    return began_at


@pytest.mark.no_cover
def test_a_node_that_is_idle_takes_sessions() -> None:
    async def tell(node: Node, start: Start) -> None:
        await warmed_up(node)
        await anyio.sleep(600)

    node = story(Node(), tell)
    assert node.turns == []
    assert node.pressure.wait_s == 0.0


def test_of_twelve_who_come_within_a_second_the_last_are_refused_before_anybody_has_asked_for_an_answer() -> (
    None
):
    began: list[float] = []

    async def tell(node: Node, start: Start) -> None:
        began.append(await burst(node, start, 12))
        await anyio.sleep(30)

    node = story(Node(), tell)
    assert 6 <= len(node.let_in_at) <= 9
    assert node.refused_at[0] < began[0] + 1.0 < began[0] + SPEAKS_S
    assert median(node.waits_s) < 1.0


def test_who_comes_faster_than_the_node_is_looked_at_is_refused_as_well() -> None:
    async def tell(node: Node, start: Start) -> None:
        await burst(node, start, 100)
        await anyio.sleep(30)

    node = story(Node(), tell)
    assert 6 <= len(node.let_in_at) <= 9
    assert median(node.waits_s) < 1.0


@pytest.mark.parametrize("callers", [1, 3, 6])
def test_a_burst_that_can_be_answered_in_time_is_not_refused(callers: int) -> None:
    async def tell(node: Node, start: Start) -> None:
        await burst(node, start, callers)
        await anyio.sleep(55)

    node = story(Node(), tell)
    assert node.refused_at == []
    assert node.turns == []


def grown(max_wait_s: float) -> Node:
    """A caller more every three seconds for two minutes: twice as many as there is time for."""

    async def tell(node: Node, start: Start) -> None:
        await warmed_up(node)
        for _ in range(40):
            start(node.call, 300.0)
            await anyio.sleep(3.0)

    return story(Node(max_wait_s), tell)


def test_where_callers_grow_slowly_those_that_were_let_in_are_answered_as_before() -> None:
    node = grown(MAX_WAIT_S)
    assert len(node.refused_at) > 10
    assert len(node.let_in_at) > 8, "and the models have something to do"
    assert sorted(node.waits_s)[int(0.95 * len(node.waits_s))] < 1.5


def test_without_a_limit_nobody_is_refused_and_all_of_them_wait() -> None:
    node = grown(0.0)
    assert node.refused_at == []
    assert max(node.waits_s) > 3.0


def test_a_node_takes_sessions_again_soon_after_the_crowd_has_gone_and_does_not_flap() -> None:
    gone_at: list[float] = []

    async def tell(node: Node, start: Start) -> None:
        await burst(node, start, 30, stays_s=20.0)
        await anyio.sleep(20.0)
        gone_at.append(anyio.current_time())
        await anyio.sleep(60.0)

    node = story(Node(), tell)
    assert node.turns[-1][1] is Strain.LIGHT
    assert node.turns[-1][0] < gone_at[0] + 7.0
    assert len(node.turns) <= 4


def test_one_reading_that_takes_seconds_refuses_nobody() -> None:
    async def tell(node: Node, start: Start) -> None:
        await warmed_up(node)
        start(node.ears.call, 4.5)
        await burst(node, start, 2)
        await anyio.sleep(30)

    node = story(Node(), tell)
    assert node.turns == []


def test_a_model_whose_first_calls_take_long_refuses_nobody() -> None:
    async def tell(node: Node, start: Start) -> None:
        start(node.ears.call, 12.0)
        for _ in range(4):
            start(node.call)
        await anyio.sleep(12.0)

    node = story(Node(), tell)
    assert node.turns == []


@pytest.mark.parametrize(("is_warm", "within_s"), [(True, 6.0), (False, 22.0)], ids=["warm", "cold"])
def test_a_model_that_is_stuck_is_noticed_although_it_begins_nothing(is_warm: bool, within_s: float) -> None:
    stuck_at: list[float] = []

    async def tell(node: Node, start: Start) -> None:
        if is_warm:
            await warmed_up(node)
        stuck_at.append(anyio.current_time())
        start(node.ears.call, 1e6)
        start(node.call, 100.0)
        await anyio.sleep(30.0)

    node = story(Node(), tell)
    assert [strain for _, strain in node.turns] == [Strain.HEAVY]
    assert node.turns[0][0] < stuck_at[0] + within_s


def test_models_elsewhere_and_scripted_ones_have_no_queue_here() -> None:
    async def tell(node: Node, start: Start) -> None:
        await burst(node, start, 50)
        await anyio.sleep(30)

    node = story(Node(is_remote=True), tell)
    assert (node.turns, len(node.let_in_at)) == ([], 50)


def test_who_is_about_to_ask_does_not_count_for_a_model_that_stood_in_for_another_a_while_ago() -> None:
    queues = ModelQueues(cores=2)

    def wait_s(calls: int, asking: int) -> float:
        spent_s = calls * CALL_S
        figures = WorkerStatistics(
            0, 0, calls, 0, pressed=calls, pressed_s=spent_s, computed=calls, computed_s=spent_s
        )
        return queues.look({("ears", 1): figures}, asking)

    for calls in range(3):
        wait_s(calls, 1)
    for _ in range(10 * UNUSED_LOOKS):
        wait_s(3, 0)
    assert wait_s(3, 12) > MAX_WAIT_S, "nobody has asked any model meanwhile"
    for _ in range(UNUSED_LOOKS):
        wait_s(3, 12)
    assert wait_s(3, 12) == 0.0
    assert wait_s(4, 12) > MAX_WAIT_S, "it is asked again"


class Languages:
    """Voices of several languages, each a model of its own, beside one recogniser."""

    def __init__(self, number: int) -> None:
        self.queues = ModelQueues(cores=2)
        self.calls = {("ears", 0): 0} | {("voice", n): 0 for n in range(1, number + 1)}

    def look(self, asking: int, call: tuple[tuple[str, int], ...] = ()) -> float:
        """How long somebody would wait, after one more call of these."""
        for model in call:
            self.calls[model] += 1
        return self.queues.look({model: called(calls) for model, calls in self.calls.items()}, asking)

    def use(self, *voices: int, times: int = 16) -> None:
        """Have a call read, and one answered by each of these, so many times."""
        for _ in range(times):
            self.look(0, (("ears", 0), *(("voice", n) for n in voices)))


def called(calls: int) -> WorkerStatistics:
    spent_s = calls * CALL_S
    return WorkerStatistics(
        0, 0, calls, 0, pressed=calls, pressed_s=spent_s, computed=calls, computed_s=spent_s
    )


@pytest.mark.parametrize("languages", [2, 5])
def test_who_is_about_to_ask_will_be_answered_in_one_language_and_not_in_all(languages: int) -> None:
    one, several = Languages(1), Languages(languages)
    one.use(1)
    several.use(*range(1, languages + 1))
    assert several.look(8) <= one.look(8)
    assert several.look(16) == pytest.approx(one.look(16), abs=CALL_S), "the cores are the same"


def test_those_who_are_about_to_ask_are_shared_out_as_the_last_calls_were() -> None:
    of_one, mostly_one = Languages(2), Languages(2)
    of_one.use(2, times=3)
    of_one.use(1, times=40)
    mostly_one.use(1, 2, times=4)
    mostly_one.use(1, times=24)
    alone = Languages(1)
    alone.use(1)
    assert of_one.look(12) == pytest.approx(alone.look(12))
    assert 0.0 < mostly_one.look(12) < alone.look(12) + 1e-9


def test_a_model_that_is_replaced_leaves_its_share_to_the_others() -> None:
    node = Languages(1)
    node.use(1)
    before = node.look(12)
    node.calls = {("ears", 0): node.calls["ears", 0], ("voice", 2): 0}  # read again by SIGHUP
    node.use(2, times=2)
    assert node.look(12) == pytest.approx(before)
