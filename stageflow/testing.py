"""For whoever writes stages: run one alone with whatever it is to find upstream, and check that it behaves."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import inf
from typing import Any, TypedDict, Unpack

import anyio.lowlevel

from stageflow.context import ContextSnapshot
from stageflow.core import AnyStage, StageContext, StageOutput
from stageflow.errors import InvalidOutputError, StageflowError, StageUsageError
from stageflow.events import CollectingEventSink, EventSink, checked_sink
from stageflow.frozen import freeze_items
from stageflow.interceptors import attempt_of
from stageflow.stage_run import GRACE_S, Pilot
from stageflow.stages.inputs import Sight, StageInputs
from stageflow.stages.ports import Ports, StagePorts
from stageflow.streams import Channel, StreamWriter

__all__ = ["CollectingEventSink", "check_stage", "create_test_context", "create_test_snapshot", "run_stage"]

CANCELLED_WITHIN_S = 0.05  # so soon a stage must end: then a person who interrupts does not notice
_TRIES = 5  # machines are shared, and others may have the core just then
# When to cancel: after so many passes of the event loop, and after so many seconds.
_MOMENTS = [(passes, 0.0) for passes in range(12)] + [(0, delay_s) for delay_s in (0.005, 0.02, 0.05)]


def create_test_snapshot(input_text: str | None = "Hello.", **facts: Any) -> ContextSnapshot:
    """A snapshot with something in it, and always the same run id; `facts` are further ones or other values."""
    known = {"pipeline_run_id": "run-1", "user_id": "user-1", "session_id": "session-1"}
    return ContextSnapshot(input_text=input_text, **(known | facts))


class Situation(TypedDict, total=False):
    """What a stage finds when it runs alone; whatever is left out is empty."""

    snapshot: ContextSnapshot | None
    inputs: Mapping[str, StageOutput | Mapping[str, Any]] | None  # of stages upstream; a mapping is an ok
    streams: Mapping[str, Sequence[Any]] | None  # of stages upstream; can be read to the end
    ports: Ports
    config: Mapping[str, Any] | None
    event_sink: EventSink | None
    sent: list[Any]  # takes what the stage sends into its own stream


def create_test_context(stage_name: str = "stage", **situation: Unpack[Situation]) -> StageContext:
    """A context as the executor would make it."""
    facts, ports = situation.get("snapshot") or create_test_snapshot(), StagePorts.of(situation.get("ports"))
    given = situation.get("inputs") or {}
    outputs = {name: it if isinstance(it, StageOutput) else StageOutput.ok(it) for name, it in given.items()}
    streams = {name: Channel(deque(items)) for name, items in (situation.get("streams") or {}).items()}
    for channel in streams.values():
        channel.close()
    inputs = StageInputs(facts, ports, outputs, Sight(tuple(outputs | streams)), streams, stage_name)
    settings = freeze_items(situation.get("config") or {}, StageUsageError, "the config")
    config = {**settings, "event_sink": checked_sink(situation.get("event_sink"))}
    readers = [Channel(situation["sent"], inf)] if "sent" in situation else []
    return StageContext(facts, inputs, stage_name, config, StreamWriter(stage_name, readers))


async def run_stage(stage: AnyStage, **situation: Unpack[Situation]) -> StageOutput:
    """Execute one stage alone, as a run would. Raises what the stage raises; cancel-safe if the stage is."""
    name = _name_of(stage)
    return await attempt_of(stage, name)(create_test_context(name, **situation))


def _name_of(stage: AnyStage) -> str:
    own = "stage" if hasattr(stage, "execute") else getattr(stage, "__name__", "stage")  # a function's
    return str(getattr(stage, "name", own))


async def check_stage(stage: AnyStage, **situation: Unpack[Situation]) -> None:
    """Prove that a stage keeps the rules; raises AssertionError with all that it breaks.

    - In the situation given, it comes to its end by itself, with a legal output.
    - Without any ports, and with nothing in the snapshot and upstream, it returns a legal output too, or
      raises an error of the framework's that says what is missing; never an AttributeError on None.
    - Cancelled at any of a dozen moments, it ends within 50 ms. In no case does it leave a task behind.
    """
    empty: Situation = {**situation, "snapshot": ContextSnapshot()}
    empty["inputs"] = {name: {} for name in situation.get("inputs") or {}}
    empty["streams"] = dict.fromkeys(situation.get("streams") or {}, ())
    cases: dict[str, Callable[[], Awaitable[str]]] = {
        "as given": lambda: _fault_of(stage, situation),
        "without ports": lambda: _fault_of(stage, {**situation, "ports": None}, StageflowError),
        "with empty input": lambda: _fault_of(stage, empty, StageflowError),
        "cancelled": lambda: _fault_of_cancelling(stage, situation),
    }
    faults: list[str] = []
    for case, found in cases.items():
        before = asyncio.all_tasks()
        if fault := await found():
            faults.append(f"{case}: {fault}")
        if left := sorted(task.get_name() for task in asyncio.all_tasks() - before if not task.done()):
            faults.append(f"{case}: it leaves {len(left)} tasks behind: {', '.join(left)}")
    if faults:
        raise AssertionError("\n- ".join((f"stage {_name_of(stage)!r} breaks the rules:", *faults)))


async def _fault_of(stage: AnyStage, situation: Situation, *allowed: type[Exception]) -> str:
    try:
        await run_stage(stage, **situation)
    except InvalidOutputError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  # any stage is checked; what it raises is the finding
        return "" if isinstance(error, allowed) else f"it raises {type(error).__name__}: {error}"
    return ""


async def _fault_of_cancelling(stage: AnyStage, situation: Situation) -> str:
    """Cancel a fresh run at one moment after the other."""
    for passes, delay_s in _MOMENTS:
        tries, late_s = 0, inf
        while tries < _TRIES and late_s > CANCELLED_WITHIN_S:
            tries, late_s = tries + 1, await _lateness_s(stage, situation, passes, delay_s)
        if late_s > CANCELLED_WITHIN_S:
            moment = f"{delay_s * 1000:g} ms" if delay_s else f"{passes} passes of the event loop"
            return f"after {moment}, it ends {late_s * 1000:.0f} ms later; 50 ms are allowed"
    return ""


async def _lateness_s(stage: AnyStage, situation: Situation, passes: int, delay_s: float) -> float:
    """How long a fresh run takes to end, cancelled after `delay_s` and so many `passes` of the event loop."""
    pilot = Pilot()

    async def piloted() -> None:
        await pilot.drive(_fault_of(stage, situation))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(piloted)
        await anyio.sleep(delay_s)
        for _ in range(passes):
            await anyio.lowlevel.checkpoint()
        cancelled_s = anyio.current_time()
        tasks.cancel_scope.cancel()
        rescue = asyncio.get_running_loop().call_later(GRACE_S, pilot.bring_down)
    rescue.cancel()
    return anyio.current_time() - cancelled_s
