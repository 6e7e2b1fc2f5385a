"""A pipeline is edited by names, and the code of its stages need not change."""

import sys

import pytest

from stageflow import OTHERWISE, Pipeline, PipelineBuildError, StageContext, StageKind, StageOutput
from stages.testing.virtual_time import virtual
from tests.stageflow.doubles import Do, Returned, collects, gives, sends


async def shouts(ctx: StageContext) -> Returned:
    async for word in ctx.inputs.stream("agent"):
        await ctx.stream.send(word.upper())
    return {"words": "loud"}


async def asks_stt(ctx: StageContext) -> Returned:
    return {"heard": ctx.inputs.get_from("stt", "text"), "language": ctx.inputs.get_from("stt", "language")}


SPEAKING = (
    Pipeline().with_stage("agent", sends("a", "b")).with_stage("tts", collects("agent"), streams=("agent",))
)
HEARING = (
    Pipeline()
    .with_stage("stt", gives(text="my card is 4711", language="en"))
    .with_stage("agent", Do(asks_stt, StageKind.AGENT), dependencies=("stt",))
)


@virtual
async def test_a_stage_inserted_on_a_stream_changes_what_is_read() -> None:
    results = await SPEAKING.insert("shout", shouts, between=("agent", "tts")).run()
    assert results.data("tts")["items"] == ["A", "B"]
    twice = SPEAKING.insert("shout", shouts, between=("agent", "tts"))

    async def doubles(ctx: StageContext) -> Returned:
        async for word in ctx.inputs.stream("shout"):
            await ctx.stream.send(word * 2)
        return None

    assert (await twice.insert("double", doubles, between=("shout", "tts")).run()).data("tts")["items"] == [
        "AA",
        "BB",
    ]
    assert (await twice.without("shout").run()).data("tts")["items"] == ["a", "b"]


@virtual
async def test_a_stage_inserted_on_a_value_edge_answers_for_the_one_before_it() -> None:
    redacting = HEARING.insert("redact", gives(text="my card is ***"), between=("stt", "agent"), timeout_s=1)
    assert (await redacting.run()).data("agent") == {"heard": "my card is ***", "language": "en"}
    assert {spec.name: spec.dependencies for spec in redacting.stages}["agent"] == ("redact",)
    assert (await redacting.without("redact").run()).data("agent")["heard"] == "my card is 4711"
    with pytest.raises(PipelineBuildError, match="there is no edge from 'agent' to 'stt'"):
        HEARING.insert("x", gives(), between=("agent", "stt"))


@virtual
async def test_a_stage_can_be_replaced_where_it_stands() -> None:
    replaced = HEARING.replace("stt", gives(text="tea"))
    assert (await replaced.run()).data("agent") == {"heard": "tea", "language": None}
    assert (await HEARING.run()).data("agent")["language"] == "en"
    with pytest.raises(
        PipelineBuildError, match="there is no stage 'sst' in the pipeline; there are: 'stt', 'agent'"
    ):
        HEARING.replace("sst", gives())


def test_the_kind_that_was_given_wins_and_stays() -> None:
    guarded = Pipeline().with_stage("guard", gives(), StageKind.GUARD)
    assert guarded.build().stages[0].kind is StageKind.GUARD
    assert guarded.replace("guard", gives()).stages[0].kind is StageKind.GUARD
    assert HEARING.replace("stt", gives(StageKind.ENRICH)).stages[0].kind is StageKind.ENRICH


@virtual
async def test_a_part_can_be_used_twice_under_a_prefix() -> None:
    both = HEARING.compose(HEARING.replace("stt", gives(text="other")), prefix="second.")
    results = await both.run()
    assert list(results) == ["stt", "agent", "second.stt", "second.agent"]
    assert [results.data(name)["heard"] for name in ("agent", "second.agent")] == ["my card is 4711", "other"]
    speaking = await SPEAKING.compose(SPEAKING, prefix="2.").run()
    assert speaking.data("2.tts")["items"] == ["a", "b"]


@virtual
async def test_a_stage_can_be_rewired() -> None:
    pipeline = HEARING.with_stage("redact", gives(text="***"), dependencies=("stt",))
    rewired = pipeline.rewire("agent", {"stt": "redact"})
    assert (await rewired.run()).data("agent") == {"heard": "***", "language": None}
    reading = SPEAKING.with_stage("other", sends("c")).rewire("tts", streams={"agent": "other"})
    assert (await reading.run()).data("tts")["items"] == ["c"]


def test_without_bridges_what_is_left() -> None:
    pipeline = Pipeline().with_stage("a", gives()).with_stage("b", gives(), dependencies=("a",))
    pipeline = pipeline.with_stage("c", gives(), dependencies=("b",))
    assert pipeline.without("b").stages[1].dependencies == ("a",)
    assert pipeline.without("a").stages[0].dependencies == ()


def test_a_graph_draws_itself_and_its_repr_stays_small() -> None:
    pipeline = SPEAKING.with_stage("router", gives(StageKind.ROUTE, route="x")).with_stage(
        'a "b"', gives(), dependencies=("router",), when=("router", ("x", "y"))
    )
    graph = pipeline.with_stage("z", gives(), dependencies=("router",), when=("router", OTHERWISE)).build()
    assert graph.mermaid().splitlines() == [
        "flowchart LR",
        '    s0["agent"]', '    s1["tts"]', '    s2{{"router"}}', '    s3["a #quot;b#quot;"]', '    s4["z"]',
        "    s0 ==> s1", '    s2 -->|"x, y"| s3', '    s2 -->|"otherwise"| s4',
    ]  # fmt: skip
    layers = Pipeline()
    before: tuple[str, ...] = ()
    for number in range(12):
        names = (f"a{number}", f"b{number}")
        for name in names:
            layers = layers.with_stage(name, gives(), dependencies=before)
        before = names
    assert len(repr(layers.build())) < 1000


def test_the_work_of_building_grows_with_the_graph_and_not_with_its_cube() -> None:
    def calls(count: int) -> int:
        pipeline = Pipeline()
        before: tuple[str, ...] = ()
        for number in range(count):
            pipeline = pipeline.with_stage(f"s{number}", gives(), dependencies=before)
            before = (f"s{number}",)
        made = [0]
        sys.setprofile(lambda *_: made.__setitem__(0, made[0] + 1))
        try:
            assert len(pipeline.build().stages) == count
        finally:
            sys.setprofile(None)
        return made[0]

    assert calls(800) < 3 * calls(400)


@virtual
async def test_the_newest_value_wins() -> None:
    async def log(ctx: StageContext) -> Returned:
        return {"wrote": ctx.inputs.get("text")}

    pipeline = Pipeline().with_stage("stt", gives(text="raw"))
    pipeline = pipeline.with_stage("redact", gives(text="redacted"), dependencies=("stt",))
    for needs in (("stt", "redact"), ("redact", "stt")):
        assert (await pipeline.with_stage("log", Do(log), dependencies=needs).run()).data("log") == {
            "wrote": "redacted"
        }


@virtual
async def test_a_branch_that_routing_led_past_has_no_output() -> None:
    async def join(ctx: StageContext) -> Returned:
        return {"has": [ctx.inputs.has_output(name) for name in ("sales", "support", "late")]}

    pipeline = Pipeline().with_stage("router", gives(StageKind.ROUTE, route="sales"))
    for name in ("sales", "support"):
        pipeline = pipeline.with_stage(name, gives(), dependencies=("router",), when=("router", name))
    pipeline = pipeline.with_stage("late", Do(lambda ctx: _skips()))
    results = await pipeline.with_stage("join", Do(join), dependencies=("sales", "support", "late")).run()
    assert results.data("join") == {"has": [True, False, True]}


async def _skips() -> StageOutput:
    return StageOutput.skip("no need")
