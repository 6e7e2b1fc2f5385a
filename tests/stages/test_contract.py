"""A pipeline that cannot be run is told of with every fault, each with its remedy; outcomes are read leniently."""

from collections.abc import Callable

import pytest

from stageflow.core import StageContext, StageKind, StageOutput
from stageflow.pipeline import Pipeline, PipelineCancelled, PipelineResults
from stageflow.tools import ToolCall
from stages.agent_profile import AgentProfile
from stages.contract import AgentOutcome, Stop, check_pipeline, roles_of
from stages.errors import StageSettingsError
from stages.pipeline import StageWaits, VoicePipelineConfig, live_pipelines, standard_pipeline
from stages.ports import Usage
from stages.router import Route
from stages.testing.fakes import EchoModel, ScriptedVoice
from tests.support.snippets import snippets

TWO = ("a", "b")


def standard(*names: str) -> Pipeline:
    names = names or ("only",)
    profiles = tuple(AgentProfile(name, EchoModel()) for name in names)
    routes = tuple(map(Route, names)) if len(names) > 1 else ()
    return standard_pipeline(VoicePipelineConfig(profiles, routes), ScriptedVoice())


async def does(ctx: StageContext) -> StageOutput:
    return StageOutput.ok()


def test_the_standard_pipeline_has_no_fault() -> None:
    assert check_pipeline(standard()) == ()
    assert check_pipeline(standard(*TWO)) == ()


FAULTY: dict[str, tuple[Callable[[Pipeline], Pipeline], tuple[str, ...]]] = {
    "no agent": (
        lambda p: p.without("agent"),
        ("there is no agent: add a stage of kind AGENT",),
    ),
    "no voice": (
        lambda p: p.without("tts"),
        ("there is no stage 'tts', which speaks the answer: keep it",),
    ),
    "an agent nobody reads": (
        lambda p: p.with_stage("other", does, StageKind.AGENT, dependencies=("stt",)),
        ("the stream of agent 'other' is read by nobody", "add 'other' to the streams of 'tts'"),
    ),
    "a stream that does not reach the voice": (
        lambda p: p.with_stage("other", does, StageKind.AGENT, dependencies=("stt",)).with_stage(
            "meter", does, streams=("other",)
        ),
        ("'other' does not reach the voice",),
    ),
    "work before the voice": (
        lambda p: p.insert("save", does, ("stt", "agent"), StageKind.WORK),
        ("stage 'agent' waits for 'save', which is of kind WORK", "make 'save' an ENRICH"),
    ),
    "work on a stream": (
        lambda p: p.with_stage("count", does, StageKind.WORK, streams=("agent",)),
        ("stage 'count' is of kind WORK and reads the stream of 'agent'", "dependencies=('agent',)"),
    ),
    "a guard that may fail": (
        lambda p: p.insert("judge", does, ("stt", "agent"), StageKind.GUARD, optional=True),
        ("stage 'judge' is a guard", "leave optional=True out"),
    ),
    "a filter that may fail": (
        lambda p: p.insert("reword", does, ("agent", "tts"), optional=True),
        ("stage 'reword' is one that every answer passes through", "leave optional=True out"),
    ),
    "an unknown dependency": (
        lambda p: p.with_stage("late", does, dependencies=("nobody",)),
        ("depends on 'nobody', which is not in the pipeline",),
    ),
    "agents without their router": (
        lambda p: p.rewire("agent", ("stt",)),
        ("stage 'agent' reads what 'router' gives, and there is no such stage before it",),
    ),
}


@pytest.mark.parametrize("what", FAULTY)
def test_each_fault_names_its_remedy(what: str) -> None:
    edit, parts = FAULTY[what]
    told = " / ".join(check_pipeline(edit(standard(*TWO))))
    assert [part for part in parts if part not in told] == []


def test_all_faults_are_told_at_once() -> None:
    def hook(pipeline: Pipeline) -> Pipeline:
        return FAULTY["work on a stream"][0](FAULTY["an agent nobody reads"][0](pipeline))

    with pytest.raises(StageSettingsError) as caught:
        live_pipelines(standard(), hook)
    assert len(caught.value.faults) == 2


def test_a_hook_gives_a_pipeline() -> None:
    with pytest.raises(StageSettingsError, match="the hook gave NoneType; return the Pipeline"):
        live_pipelines(standard(), lambda pipeline: None)  # type: ignore[arg-type,return-value]


def test_the_hook_of_the_documentation() -> None:
    (snippet,) = snippets("docs/pipelines.md").values()
    edited = live_pipelines(standard(), snippet.run({})["pipeline"])
    assert "look_up" in [spec.name for spec in edited.text.stages]


def test_one_agent_needs_no_router() -> None:
    assert check_pipeline(standard().rewire("agent", ("stt",)).without("router")) == ()


def test_only_guards_that_do_not_stand_in_the_stream_are_waited_for() -> None:
    edited = (
        standard()
        .insert("in line", does, ("agent", "tts"), StageKind.GUARD)
        .with_stage("beside", does, StageKind.GUARD, streams=("agent",))
        .with_stage("behind", does, StageKind.GUARD, dependencies=("agent",))
    )
    live = live_pipelines(edited)
    for graph in (live.voice, live.text):
        assert roles_of(graph).gate == {"guard", "beside", "behind"}
        assert roles_of(graph).deciders == {"guard", "router", "behind"}


def test_the_stages_that_have_no_limit_of_their_own_are_given_one() -> None:
    edited = (
        standard()
        .replace("stt", does)
        .insert("look_up", does, ("stt", "agent"), StageKind.ENRICH)
        .insert("reword", does, ("look_up", "agent"), timeout_s=1.0)
        .insert("in line", does, ("agent", "tts"))
    )
    live = live_pipelines(edited, waits=StageWaits(recognise_s=10.0, prepare_s=5.0))
    for graph in (live.voice, live.text):
        limits = {spec.name: spec.timeout_s for spec in graph.stages if spec.timeout_s is not None}
        assert limits == {"stt": 10.0, "look_up": 5.0, "reword": 1.0}


CALL = ToolCall("1", "look")


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        ({}, AgentOutcome()),
        ({"response": "Hi."}, AgentOutcome(text="Hi.")),
        ({"text": "Hi.", "response": "No."}, AgentOutcome(text="Hi.")),
        ({"text": 3, "usage": "much", "tool_calls": "x", "finish_reason": None}, AgentOutcome()),
        ({"client_calls": [CALL, "x"]}, AgentOutcome(client_calls=(CALL,))),
        ({"text": "", "usage": Usage(1, 2)}, AgentOutcome(text="", usage=Usage(1, 2))),
    ],
)
def test_what_an_agent_may_return(data: dict[str, object], outcome: AgentOutcome) -> None:
    assert AgentOutcome.of(data) == outcome
    assert AgentOutcome.of(outcome.data()) == outcome


def stop(stage: str, **data: object) -> Stop:
    edited = standard().with_stage("output", does, StageKind.GUARD, dependencies=("agent",))
    raised = PipelineCancelled(stage, "", data, PipelineResults((), {}, "run"))
    return Stop.of(raised, edited.stages, "No.")


def test_what_the_end_of_a_guard_means() -> None:
    assert stop("guard", blocked=True) == Stop("guard", "No.", None, blames_person=True)
    assert stop("guard", refusal="Never.", texts=(1,)) == Stop("guard", "Never.", (1,), blames_person=True)
    assert stop("output", refusal="Hush.") == Stop("output", "Hush.", None, blames_person=False)
    assert stop("stt", declined=True).refusal is None
    assert stop("agent").refusal is None
