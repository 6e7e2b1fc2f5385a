"""Where one run stands: what has ended, which stages are under way, when time is up, and the verdict that ends it."""

import asyncio
from collections.abc import Mapping
from math import inf
from typing import Any

import anyio

from stageflow.context import PipelineTimer
from stageflow.errors import DeadlineExceeded, RunEnded, StageFailed, StreamError, leaves
from stageflow.events import Data, EventSink, StageEvent, show
from stageflow.frozen import EMPTY, FrozenDict
from stageflow.graph import Node, PipelineResults
from stageflow.output import StageOutput
from stageflow.streams import Wait

BY_CALLER = "the caller cancelled the run"


class RunState:
    """The state of one run, which its stages share; of several verdicts the first one counts."""

    verdict: RunEnded | None = None
    _deadline_s = deadline_at = inf

    def __init__(self, nodes: Mapping[str, Node], run_id: str, sink: EventSink | None) -> None:
        self.loop, self._nodes, self.sink = asyncio.get_running_loop(), nodes, sink
        self.timer = PipelineTimer(self.loop.time)
        self.running: dict[str, Any] = {}  # stages under way, by name
        self.outputs: dict[str, StageOutput] = {}
        self.results = PipelineResults(tuple(nodes), self.outputs, run_id)
        self.over = asyncio.Event()  # by a verdict, the end of all stages, or the caller's cancellation

    def is_over(self, until: float) -> bool:
        """Whether the run is, or its time is up, or it is `until` already. Can be asked from any thread."""
        return self.over.is_set() or self.loop.time() >= min(until, self.deadline_at)

    def start_deadline(self, deadline_s: float) -> asyncio.TimerHandle:
        self._deadline_s, self.deadline_at = deadline_s, self.loop.time() + deadline_s
        return self.loop.call_later(deadline_s, self.miss_deadline)

    def decide(self, verdict: RunEnded) -> None:
        """What ends the run first decides; a stage that is cut short by that, or by the caller, does not."""
        if not self.over.is_set():
            self.verdict = verdict
            self.over.set()

    def fail(self, stage: str, why: str, error: BaseException | None, data: Data = EMPTY) -> StageFailed:
        """A stage has failed, by `error` if that was raised, and with it the run if nothing else has ended it."""
        failure = StageFailed(stage, why, data, self.results)
        found = [] if error is None else leaves(error)
        failure.__cause__ = found[0] if len(found) == 1 else error
        self.decide(failure)
        return failure

    def miss_deadline(self) -> None:
        running = [name for name in self._nodes if name in self.running]
        text = f"the run took longer than {self._deadline_s:g} s; still running: {', '.join(running) or 'nothing'}"
        self.decide(DeadlineExceeded(next(iter(running), ""), text, {}, self.results))

    def stall(self, ring: list[Wait]) -> None:
        """Stages wait for each other at their streams, and would for ever."""
        text = f"streams wait for each other, for ever: {', '.join(map(str, ring))}"
        full = {wait.other for wait in ring if wait.is_for_room}
        reader = next(wait.by for wait in ring if wait.by in full and not wait.is_for_room)
        remedy = f"let {reader!r} read its streams at once, in a task each, or give them more capacity"
        self.fail(reader, f"{text}; {remedy}", StreamError(text))

    def why_cut_short(self) -> str | None:
        """Why the stages under way are being cancelled; None if they are not."""
        if self.verdict is not None:
            return f"the run ended with stage {self.verdict.stage!r}"
        return BY_CALLER if self.over.is_set() or anyio.current_effective_deadline() == -inf else None

    def tell(self, type: str, node: Node | None = None, /, **data: object) -> None:
        """Tell the sink, if there is one that listens, of the life of the run, or of the stage at `node`."""
        if self.sink is not None:
            stage, kind = (node.name, node.spec.kind) if node else (None, None)
            run_id, now_ms = self.results.run_id, self.timer.elapsed_ms()
            known = {"run_id": run_id, "stage": stage, "kind": kind, "duration_ms": now_ms}
            show(self.sink, StageEvent(type, FrozenDict(known, **data), run_id, stage, now_ms))
