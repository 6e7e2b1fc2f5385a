"""`run_stage` and `check_stage`: a stage alone, and each rule that it can break."""

import asyncio
from contextlib import suppress
from typing import Any

import anyio
import pytest

from stageflow import LLMPorts, StageArtifact, StageContext, StageOutput
from stageflow.testing import CollectingEventSink, check_stage, create_test_context, run_stage
from stages.testing.virtual_time import virtual
from tests.stageflow.doubles import Do, Returned, collects, sends


async def keeps_the_rules(ctx: StageContext) -> Returned:
    ctx.emit_event("looked")
    words = ctx.inputs.get("words", "")
    if ctx.ports.llm_provider is not None:
        await anyio.sleep(0.01)
    return {"words": words.upper()}


@virtual
async def test_a_stage_that_keeps_the_rules_passes() -> None:
    ports = LLMPorts(llm_provider=object())
    await check_stage(Do(keeps_the_rules), inputs={"stt": {"words": "hi"}}, ports=ports)
    await check_stage(sends("a", "b"))
    await check_stage(collects("agent"), streams={"agent": ("a", "b")})


@virtual
async def test_a_stage_runs_alone_as_in_a_run() -> None:
    sink, sent = CollectingEventSink(), list[Any]()

    async def act(ctx: StageContext) -> Returned:
        ctx.emit_event("custom", {"step": 1})
        ctx.add_artifact("chart", {"title": "Results"})
        assert ctx.config["timer"] is ctx.timer
        assert ctx.config["inputs"] is ctx.inputs
        items = [item async for item in ctx.inputs.stream("agent")]
        for item in items:
            await ctx.stream.send(item)
        return {"limit": ctx.config["limit"], "who": ctx.inputs.get_from("agent", "who")}

    output = await run_stage(
        Do(act),
        inputs={"agent": StageOutput.ok(who="me")},
        streams={"agent": ("a", "b")},
        config={"limit": 3},
        event_sink=sink,
        sent=sent,
    )
    assert output.data == {"limit": 3, "who": "me"}
    assert output.artifacts == (StageArtifact("chart", {"title": "Results"}),)
    assert sink.types() == ["custom"] == [event.type for event in output.events]
    assert sent == ["a", "b"]


def test_a_test_snapshot_has_the_same_run_id_each_time_and_any_fact() -> None:
    contexts = [create_test_context("a"), create_test_context("a")]
    assert {ctx.snapshot.pipeline_run_id for ctx in contexts} == {"run-1"}


async def trusts_its_ports(ctx: StageContext) -> Returned:
    return {"answer": ctx.ports.llm_provider.answer}


async def trusts_its_inputs(ctx: StageContext) -> Returned:
    return {"words": ctx.inputs.get("words").upper()}


async def returns_a_number(ctx: StageContext) -> Any:
    return 7


async def shields_itself(ctx: StageContext) -> Returned:
    with anyio.CancelScope(shield=True):
        await anyio.sleep(0.2)
    return None


async def clings_to_its_work(ctx: StageContext) -> Returned:
    try:
        await anyio.sleep(0.01)
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True):
            await anyio.sleep_forever()
    return None


async def leaves_a_task(ctx: StageContext) -> Returned:
    left.append(asyncio.get_running_loop().create_task(asyncio.sleep(1000)))
    return None


left: list["asyncio.Task[None]"] = []


class Provider:
    answer = "yes"


BREACHES: dict[Any, tuple[dict[str, Any], str]] = {
    trusts_its_ports: (
        {"ports": LLMPorts(llm_provider=Provider())},
        "without ports: it raises AttributeError",
    ),
    trusts_its_inputs: ({"inputs": {"stt": {"words": "hi"}}}, "with empty input: it raises AttributeError"),
    returns_a_number: ({}, "as given: stage 'stage' returned 7"),
    shields_itself: (
        {},
        "cancelled: after 0 passes of the event loop, it ends 200 ms later; 50 ms are allowed",
    ),
    clings_to_its_work: ({}, "cancelled: after 0 passes of the event loop, it ends 1000 ms later"),
    leaves_a_task: ({}, "as given: it leaves 1 tasks behind"),
}


@pytest.mark.parametrize("act", BREACHES, ids=lambda act: act.__name__)
def test_each_breach_is_named(act: Any) -> None:
    situation, said = BREACHES[act]

    @virtual
    async def check() -> None:
        with pytest.raises(AssertionError) as caught:
            await check_stage(Do(act), **situation)
        assert said in str(caught.value)
        for task in left:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        left.clear()

    check()
