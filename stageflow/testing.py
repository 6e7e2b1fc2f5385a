"""For whoever writes stages: run one alone with whatever it is to find upstream, and check that it behaves."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import anyio.lowlevel

from stageflow.context import ContextSnapshot
from stageflow.core import Stage, StageContext, StageOutput
from stageflow.errors import InvalidOutputError, StageflowError
from stageflow.events import CollectingEventSink
from stageflow.interceptors import attempt_call
from stageflow.stages.inputs import StageInputs
from stageflow.stages.ports import Ports, StagePorts
from stageflow.streams import Channel, StreamWriter

__all__ = [
    "CollectingEventSink",
    "check_stage",
    "create_test_context",
    "create_test_snapshot",
    "run_stage",
]

Upstream = Mapping[str, StageOutput | Mapping[str, Any]]
"""What stages upstream gave, by their names; a mapping stands for `StageOutput.ok(mapping)`."""

CANCELLED_WITHIN_S = 0.05
"""A stage must have ended so soon after being cancelled: then a person who interrupts does not notice."""

_PASSES = 12
_DELAYS_S = (0.005, 0.02, 0.05)


def create_test_snapshot(
    input_text: str | None = "Hello.",
    *,
    messages: Sequence[Any] = (),
    user_id: str | None = "user-1",
    session_id: str | None = "session-1",
    metadata: Mapping[str, Any] | None = None,
) -> ContextSnapshot:
    """A snapshot with something in it; always with the same run id."""
    return ContextSnapshot(
        input_text=input_text,
        messages=tuple(messages),
        user_id=user_id,
        session_id=session_id,
        pipeline_run_id="run-1",
        metadata=metadata or {},
    )


def create_test_context(
    *,
    stage_name: str = "stage",
    snapshot: ContextSnapshot | None = None,
    inputs: Upstream | None = None,
    streams: Mapping[str, Sequence[Any]] | None = None,
    ports: Ports = None,
    config: Mapping[str, Any] | None = None,
    sent: list[Any] | None = None,
) -> StageContext:
    """A context as the executor would make it. The stage sees `inputs`, and can read `streams` to their ends.

    What the stage sends into its own stream is put into `sent`.
    """
    outputs = {
        name: given if isinstance(given, StageOutput) else StageOutput.ok(given)
        for name, given in (inputs or {}).items()
    }
    channels = {name: _filled(name, items) for name, items in (streams or {}).items()}
    facts = snapshot or create_test_snapshot()
    seen = StageInputs(
        facts,
        outputs,
        StagePorts.of(ports),
        upstream=tuple(dict.fromkeys((*outputs, *channels))),
        streams=channels,
        stage_name=stage_name,
    )
    writer = StreamWriter(stage_name) if sent is None else _Recorder(stage_name, sent)
    return StageContext(facts, seen, stage_name, config={**(config or {}), "inputs": seen}, stream=writer)


async def run_stage(
    stage: Stage | type[Stage],
    *,
    snapshot: ContextSnapshot | None = None,
    inputs: Upstream | None = None,
    streams: Mapping[str, Sequence[Any]] | None = None,
    ports: Ports = None,
    config: Mapping[str, Any] | None = None,
    sent: list[Any] | None = None,
) -> StageOutput:
    """Execute one stage alone, as a run would, in a context as `create_test_context` makes it.

    Raises what the stage raises. Cancel-safe if the stage is.
    """
    name = getattr(stage, "name", "stage")
    ctx = create_test_context(
        stage_name=name,
        snapshot=snapshot,
        inputs=inputs,
        streams=streams,
        ports=ports,
        config=config,
        sent=sent,
    )
    return await attempt_call(name, stage, ())(ctx)


@dataclass(frozen=True, slots=True)
class _Case:
    """A stage in a situation."""

    stage: Stage | type[Stage]
    snapshot: ContextSnapshot
    inputs: Upstream = field(default_factory=dict)
    streams: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    ports: Ports = None
    config: Mapping[str, Any] = field(default_factory=dict)

    async def run(self) -> StageOutput:
        return await run_stage(
            self.stage,
            snapshot=self.snapshot,
            inputs=self.inputs,
            streams=self.streams,
            ports=self.ports,
            config=self.config,
        )

    def empty(self) -> "_Case":
        return replace(
            self,
            snapshot=ContextSnapshot(),
            inputs={name: {} for name in self.inputs},
            streams=dict.fromkeys(self.streams, ()),
        )


async def check_stage(
    stage: Stage | type[Stage],
    *,
    snapshot: ContextSnapshot | None = None,
    inputs: Upstream | None = None,
    streams: Mapping[str, Sequence[Any]] | None = None,
    ports: Ports = None,
    config: Mapping[str, Any] | None = None,
) -> None:
    """Prove that a stage keeps the rules, in the situation given; raises AssertionError with all that it breaks.

    - It returns a legal output.
    - Without any ports, and with nothing in the snapshot and upstream, it returns a legal output too, or
      raises an error of the framework's that says what is missing; never an AttributeError on None.
    - Cancelled at any of a dozen moments, it ends within 50 ms.
    - In none of these cases does it leave a task behind.
    """
    case = _Case(stage, snapshot or create_test_snapshot(), inputs or {}, streams or {}, ports, config or {})
    faults: list[str] = []
    with _leaks_in(faults, "after a run"):
        faults += await _outcome_faults("as given", case, allowed=())
    with _leaks_in(faults, "without ports"):
        faults += await _outcome_faults("without ports", replace(case, ports=None), allowed=(StageflowError,))
    with _leaks_in(faults, "with empty input"):
        faults += await _outcome_faults("with empty input", case.empty(), allowed=(StageflowError,))
    with _leaks_in(faults, "after being cancelled"):
        faults += await _cancellation_faults(case)
    if faults:
        name = getattr(stage, "name", "stage")
        raise AssertionError(
            "\n".join((f"stage {name!r} breaks the rules:", *(f"- {one}" for one in faults)))
        )


async def _outcome_faults(situation: str, case: _Case, allowed: tuple[type[Exception], ...]) -> list[str]:
    try:
        await case.run()
    except InvalidOutputError as error:
        return [f"{situation}: {error}"]
    except allowed:
        return []
    except Exception as error:  # noqa: BLE001  # any stage is checked; what it raises is the finding
        return [f"{situation}: it raises {type(error).__name__}: {error}"]
    return []


async def _cancellation_faults(case: _Case) -> list[str]:
    """Cancel a fresh run after so many passes of the event loop, then after so many seconds."""
    for passes, delay_s in (*((count, 0.0) for count in range(_PASSES)), *((0, each) for each in _DELAYS_S)):
        late_s = await _lateness_s(case, passes, delay_s)
        if late_s is None:
            break
        if late_s > CANCELLED_WITHIN_S:
            moment = f"{passes} passes of the event loop" if not delay_s else f"{delay_s * 1000:g} ms"
            return [f"cancelled after {moment}, it ends {late_s * 1000:.0f} ms later; 50 ms are allowed"]
    return []


async def _lateness_s(case: _Case, passes: int, delay_s: float) -> float | None:
    """How long the stage goes on after it has been cancelled; None if it had ended before."""
    loop = asyncio.get_running_loop()
    ended_s: list[float] = []

    async def run() -> None:
        try:
            await _outcome_faults("", case, allowed=())
        finally:
            ended_s.append(loop.time())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await anyio.sleep(delay_s) if delay_s else await anyio.lowlevel.checkpoint()
        for _ in range(passes):
            await anyio.lowlevel.checkpoint()
        cancelled_s = loop.time()
        had_ended = bool(ended_s)
        tasks.cancel_scope.cancel()
    return None if had_ended else ended_s[0] - cancelled_s


@contextmanager
def _leaks_in(faults: list[str], situation: str) -> Iterator[None]:
    before = asyncio.all_tasks()
    yield
    left = [task.get_name() for task in asyncio.all_tasks() - before if not task.done()]
    if left:
        faults.append(f"{situation}: it leaves {len(left)} tasks behind: {', '.join(sorted(left))}")


class _Recorder(StreamWriter):
    """Puts what is sent into a list."""

    __slots__ = ("_list",)

    def __init__(self, stage: str, items: list[Any]) -> None:
        super().__init__(stage)
        self._list = items

    async def send(self, item: Any) -> None:
        await super().send(item)
        self._list.append(item)


def _filled(producer: str, items: Sequence[Any]) -> Channel:
    channel = Channel(producer, capacity=len(items) + 1)
    for item in items:
        channel.put_nowait(item)
    channel.close()
    return channel
