"""More callers than a node can serve: some are refused, and those that were let in are answered as before."""

from dataclasses import dataclass, field
from statistics import quantiles

import anyio
import pytest

from server.telemetry.pressure import Pressure, QueueWaits, Strain
from stages.runtime.worker import WorkerStatistics
from stages.testing.virtual_time import run_virtual

CALL_S = 0.4
"""What the model takes for an answer: longer than the time between two looks."""

TURN_S = 4.0
"""Between an answer and the next question: one model has enough for eleven callers."""

LATE_S = 7.0
"""Until a mean over seconds says what the last wait was: who comes meanwhile is let in."""

STAYS_S, COMES_EVERY_S, LASTS_S = 60.0, 1.0, 300.0


@dataclass
class Node:
    """One model for all, asked in the order of coming; sessions as long as the pressure is light."""

    max_wait_s: float
    waits_s: list[float] = field(default_factory=list)
    refused: int = 0
    waiting: int = 0
    begun: int = 0

    def __post_init__(self) -> None:
        self.pressure = Pressure(0.25, self.max_wait_s)
        self.model = anyio.Lock()

    async def look(self) -> None:
        queues = QueueWaits()
        while True:
            await anyio.sleep(0.1)
            figures = WorkerStatistics(self.waiting, 1, 0, 0, sum(self.waits_s), self.begun)
            quiet = WorkerStatistics(0, 0, 9_000, 0, 0.0, 9_000)  # another model, which has no queue
            self.pressure.note(0.0, queues.longest_s({"voice": figures, "ears": quiet}, anyio.current_time()))

    async def call(self) -> None:
        if self.pressure.strain is Strain.HEAVY:
            self.refused += 1
            return
        with anyio.move_on_after(STAYS_S):
            while True:
                asked_at, self.waiting = anyio.current_time(), self.waiting + 1
                try:
                    await self.model.acquire()
                finally:
                    self.waiting -= 1
                self.begun += 1
                self.waits_s.append(anyio.current_time() - asked_at)
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(CALL_S)
                self.model.release()
                await anyio.sleep(TURN_S)


def overloaded(max_wait_s: float) -> Node:
    """Six times as many callers as the model has time for."""

    async def main() -> Node:
        node = Node(max_wait_s)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(node.look)
            for _ in range(int(LASTS_S / COMES_EVERY_S)):
                tasks.start_soon(node.call)
                await anyio.sleep(COMES_EVERY_S)
            tasks.cancel_scope.cancel()
        return node

    return run_virtual(main)


@pytest.mark.parametrize("max_wait_s", [0.5, 3.0])
def test_those_that_were_let_in_wait_no_longer_than_the_limit_means(max_wait_s: float) -> None:
    node = overloaded(max_wait_s)
    assert node.refused > 100
    assert quantiles(node.waits_s, n=20)[-1] < max_wait_s + LATE_S / COMES_EVERY_S * CALL_S
    assert len(node.waits_s) > 0.8 * LASTS_S / CALL_S, "the model is hardly ever idle"


def test_without_a_limit_all_of_them_wait() -> None:
    node = overloaded(0.0)
    assert node.refused == 0
    assert quantiles(node.waits_s, n=4)[0] > 10.0


def test_a_model_that_is_stuck_is_noticed_although_it_begins_nothing() -> None:
    queues, pressure = QueueWaits(), Pressure(0.0, 1.0)
    stuck = {"voice": WorkerStatistics(waiting=3, running=1, done=0, dropped=0, begun=1)}
    for look in range(60):
        pressure.note(0.0, queues.longest_s(stuck, look / 10))
    assert pressure.strain is Strain.HEAVY
