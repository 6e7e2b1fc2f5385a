"""Every snippet of docs/guide/building-stages.md runs as it is written, in a real run, and does what the guide says.

A fragment gets the smallest frame: a bare body becomes an `execute`; a bare `execute` becomes a stage's; names that
the guide leaves to the reader (`my_llm`, `db_session`) are given by the test. `tests/support/snippets.py` does it.
"""

import inspect
import logging
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from stageflow import (
    AudioPorts,
    CollectingEventSink,
    ContextSnapshot,
    CorePorts,
    LLMPorts,
    Pipeline,
    PipelineBuildError,
    PipelineCancelled,
    Stage,
    StageArtifact,
    StageContext,
    StageEvent,
    StageFailed,
    StageKind,
    StageOutput,
    StagePorts,
    StageStatus,
    Tool,
    ToolCall,
    ToolRegistry,
)
from stageflow.stages.inputs import StageInputs
from stageflow.stages.ports import Ports
from stages.testing.virtual_time import virtual
from tests.stageflow.doubles import Do, Returned, returns
from tests.support.snippets import Snippet, snippets

GUIDE = snippets("docs/guide/building-stages.md")

TESTS = {
    "The Stage Protocol": "test_the_protocol_is_all_that_a_stage_needs",
    "TRANSFORM": "test_a_transform_changes_the_data",
    "ENRICH": "test_an_enricher_adds_a_profile_or_skips",
    "ROUTE": "test_a_router_decides_which_branch_runs",
    "GUARD": "test_a_guard_stops_the_run_or_lets_it_pass",
    "WORK": "test_work_happens_beside_the_answer",
    "AGENT": "test_an_agent_asks_its_model_and_runs_the_tools",
    "From the Snapshot": "test_the_snapshot_holds_what_was_put_in",
    "From Upstream Stages (StageInputs)": "test_upstream_is_read_through_inputs",
    "Injected Services (Modular Ports)": "test_services_are_reached_through_ports",
    "Creating Ports": "test_inputs_and_ports_are_made_by_hand",
    "From Stage Configuration": "test_configuration_and_the_timer_reach_the_stage",
    "Success Output": "test_success_is_what_downstream_consumes",
    "Skip Output": "test_a_skip_is_no_error",
    "Cancel Output": "test_a_cancel_ends_the_run_gracefully",
    "Fail Output": "test_a_failure_says_what_went_wrong",
    "Stateless Stages": "test_a_stateless_stage_is_a_class",
    "Stages with Dependencies": "test_dependencies_come_through_init",
    "Using Instances vs Classes": "test_a_class_is_made_anew_and_an_instance_is_shared",
    "Emitting Events": "test_events_reach_the_sink_and_the_output",
    "Adding Artifacts": "test_artifacts_reach_the_output",
    "1. Keep Stages Focused": "test_the_sketches_of_stages_are_told_what_they_lack",
    "2. Handle Missing Data Gracefully": "test_missing_data_is_a_skip",
    "4. Log Meaningful Information": "test_log_fields_are_there",
    "5. Make Stages Testable": "test_a_stage_is_tested_with_a_double",
}
"""Which test runs the snippet under which heading."""

HEADINGS = {test: heading for heading, test in TESTS.items()}


@pytest.fixture
def snippet(request: pytest.FixtureRequest) -> Snippet:
    """The snippet of the test that asks for it."""
    return GUIDE[HEADINGS[request.node.originalname]]


def test_no_snippet_is_without_its_test() -> None:
    assert list(GUIDE) == list(TESTS)
    for test in TESTS.values():
        assert "snippet" in inspect.signature(globals()[test]).parameters


# --- frames ----------------------------------------------------------------------------------------------------


def names(**more: Any) -> dict[str, Any]:
    """What every snippet may use: what the guide's first one imports."""
    return {
        "__name__": "guide",
        "StageContext": StageContext,
        "StageKind": StageKind,
        "StageOutput": StageOutput,
        **more,
    }


def stage_of(execute: Any) -> Stage:
    """A stage with this `execute`."""
    made: Stage = type("OfTheGuide", (), {"name": "it", "kind": StageKind.TRANSFORM, "execute": execute})()
    return made


async def ran(
    stage: Stage | type[Stage],
    *,
    upstream: dict[str, Returned] | None = None,
    snapshot: ContextSnapshot | None = None,
    **of_run: Any,
) -> StageOutput:
    """What the stage gives in a run, with these stages before it."""
    pipeline = Pipeline()
    for name, output in (upstream or {}).items():
        pipeline = pipeline.with_stage(name, returns(output))
    graph = pipeline.with_stage("it", stage, StageKind(stage.kind), tuple(upstream or ())).build()
    return (await graph.run(snapshot or ContextSnapshot(), **of_run))["it"]


# --- the protocol and the kinds --------------------------------------------------------------------------------


@virtual
async def test_the_protocol_is_all_that_a_stage_needs(snippet: Snippet) -> None:
    stage = snippet.run({})["MyStage"]
    graph = Pipeline().with_stage(stage.name, stage).build()
    results = await graph.run(ContextSnapshot())
    assert graph.stages[0].kind is StageKind.TRANSFORM
    assert (results["my_stage"].status, results.data("my_stage")) == (StageStatus.OK, {})


@virtual
async def test_a_transform_changes_the_data(snippet: Snippet) -> None:
    stage = snippet.run(names())["TextToUpperStage"]
    assert (await ran(stage, snapshot=ContextSnapshot(input_text="hello"))).data == {"text": "HELLO"}
    assert (await ran(stage)).data == {"text": ""}


class Profiles:
    """A profile service."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    async def get_profile(self, user_id: object) -> SimpleNamespace:
        self.asked.append(user_id)
        return SimpleNamespace(display_name="Ada", preferences={"language": "en"}, secret="kept")


@virtual
async def test_an_enricher_adds_a_profile_or_skips(snippet: Snippet) -> None:
    profiles = Profiles()
    stage = snippet.run(names())["ProfileEnrichStage"](profiles)
    known = await ran(stage, snapshot=ContextSnapshot(user_id="user-1"))
    assert known.data == {"profile": {"display_name": "Ada", "preferences": {"language": "en"}}}
    unknown = await ran(stage)
    assert (unknown.status, unknown.reason) == (StageStatus.SKIP, "No user_id provided")
    assert profiles.asked == ["user-1"]


@pytest.mark.parametrize(
    ("text", "route"),
    [("I need HELP", "support"), ("I want to buy it", "sales"), ("Hello", "general"), (None, "general")],
)
@virtual
async def test_a_router_decides_which_branch_runs(snippet: Snippet, text: str | None, route: str) -> None:
    pipeline = Pipeline().with_stage("router", snippet.run(names())["RouterStage"])
    for branch in ("support", "sales", "general"):
        pipeline = pipeline.with_stage(branch, returns({}), dependencies=("router",), when=("router", branch))
    results = await pipeline.build().run(ContextSnapshot(input_text=text))
    assert results.data("router") == {"route": route, "confidence": 0.9}
    assert [name for name in ("support", "sales", "general") if results.ok(name)] == [route]


@virtual
async def test_a_guard_stops_the_run_or_lets_it_pass(snippet: Snippet) -> None:
    stage = snippet.run(names())["InputGuardStage"]
    assert (await ran(stage, snapshot=ContextSnapshot(input_text="Good morning"))).data == {"validated": True}
    with pytest.raises(PipelineCancelled) as caught:
        await ran(stage, snapshot=ContextSnapshot(input_text="Buy my SPAM"))
    assert caught.value.reason == "Blocked content detected: spam"
    assert caught.value.data == {"blocked": True}


class Database:
    """Keeps the interactions that it is told to save."""

    def __init__(self) -> None:
        self.saved: list[object] = []

    async def save_interaction(self, *placeholder: object, **fields: object) -> None:
        self.saved.append(fields or placeholder)


@virtual
async def test_work_happens_beside_the_answer(snippet: Snippet) -> None:
    database = Database()
    stage = snippet.run(names())["PersistStage"](database)
    facts = ContextSnapshot(session_id="session-1")
    output = await ran(stage, upstream={"agent": {"response": "Hello."}}, snapshot=facts)
    assert output.data == {"persisted": True}
    await ran(stage, snapshot=facts)
    assert database.saved == [{"session_id": "session-1", "response": "Hello."}]


class Client:
    """A model's client: answers with what it was given, and remembers what it was asked."""

    def __init__(self, answer: object = "Hello.") -> None:
        self.answer = answer
        self.asked: list[object] = []

    async def chat(self, messages: object, **more: object) -> object:
        self.asked.append(more["model"] if more else messages)
        return self.answer


@virtual
async def test_an_agent_asks_its_model_and_runs_the_tools(snippet: Snippet) -> None:
    async def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    call = ToolCall("call-1", "add", {"a": 1, "b": 2})
    client = Client(SimpleNamespace(content="Three.", tool_calls=[call]))
    registry = ToolRegistry((Tool.of(add),))
    stage = snippet.run(names())["ChatAgentStage"](client, registry)
    earlier = {"role": "assistant", "content": "Yes?"}
    output = await ran(stage, snapshot=ContextSnapshot(messages=(earlier,), input_text="1 + 2?"))
    assert output.data["response"] == "Three."
    assert [(result.ok, result.text) for result in output.data["tool_results"]] == [(True, "3")]
    asked: Any = client.asked[0]
    assert asked[0].content == "Yes?"
    assert asked[1] == {"role": "user", "content": "1 + 2?"}


# --- reading ---------------------------------------------------------------------------------------------------


@virtual
async def test_the_snapshot_holds_what_was_put_in(snippet: Snippet) -> None:
    given: dict[str, Any] = {
        "input_text": "Hi.",
        "user_id": UUID(int=1),
        "session_id": "session-1",
        "org_id": "org-1",
        "topology": "voice",
        "execution_mode": "realtime",
        "messages": ({"role": "user", "content": "Hello?"},),
        "profile": {"display_name": "Ada"},
        "memory": {"facts": ("likes tea",)},
        "documents": ({"id": "1", "text": "Menu"},),
    }
    read = (
        await ran(stage_of(snippet.execute(names(), give_locals=True)), snapshot=ContextSnapshot(**given))
    ).data
    assert read.keys() == given.keys()
    plain = ("input_text", "user_id", "session_id", "org_id", "topology", "execution_mode")
    assert {name: read[name] for name in plain} == {name: given[name] for name in plain}
    assert read["messages"][0].content == "Hello?"
    assert (read["profile"].display_name, read["memory"].facts) == ("Ada", ("likes tea",))
    assert read["documents"][0].text == "Menu"
    empty = (await ran(stage_of(snippet.execute(names(), give_locals=True)))).data
    assert {name for name, value in empty.items() if value} == set()


@virtual
async def test_upstream_is_read_through_inputs(snippet: Snippet) -> None:
    stage = stage_of(snippet.execute(names(), give_locals=True))
    client = Client()
    upstream: dict[str, Returned] = {
        "text": {"text": "hello"},
        "router": {"route": "sales"},
        "validator": {"ok": 1},
    }
    facts = ContextSnapshot(user_id="user-1")
    read = (await ran(stage, upstream=upstream, snapshot=facts, ports=LLMPorts(llm_provider=client))).data
    assert (read["processed_text"], read["router_decision"]) == ("hello", "sales")
    assert read["validator_output"].data == {"ok": 1}
    assert (read["user_id"], read["response"]) == ("user-1", "Hello.")
    undecided = upstream | {"router": StageOutput.skip("nothing to route")}
    read = (await ran(stage, upstream=undecided)).data
    assert read["router_decision"] == "general"
    assert (client.asked, "response" in read) == ([...], False)


@dataclass
class Sent:
    """Takes what is sent through ports."""

    calls: list[tuple[object, ...]] = field(default_factory=list)

    async def send(self, *values: object) -> None:
        self.calls.append(values)


def services(sent: Sent, client: Client, database: Database) -> Ports:
    return StagePorts(
        CorePorts(db=database, send_status=sent.send),
        LLMPorts(llm_provider=client, send_token=sent.send),
        AudioPorts(send_audio_chunk=sent.send),
    )


@virtual
async def test_services_are_reached_through_ports(snippet: Snippet) -> None:
    reader = names(messages=["Hello?"], audio_bytes=b"\0\0", result=42)
    stage = stage_of(snippet.execute(reader, give_locals=True))
    sent, client, database = Sent(), Client(), Database()
    read = (await ran(stage, ports=services(sent, client, database))).data
    assert (read["response"], client.asked, database.saved) == ("Hello.", [["Hello?"]], [(...,)])
    assert sent.calls == [
        ("Hello",),
        (b"\0\0", "wav", 0, False),
        ("stage_name", "completed", {"data": 42}),
    ]
    without = (await ran(stage)).data
    assert (without["core_ports"], without["llm_ports"], without["audio_ports"]) == (
        CorePorts(), LLMPorts(), AudioPorts(),
    )  # fmt: skip
    assert "response" not in without


@virtual
async def test_inputs_and_ports_are_made_by_hand(snippet: Snippet) -> None:
    given: dict[str, Any] = {
        "snapshot": ContextSnapshot(input_text="Hi."),
        "prev_outputs": {"stt": StageOutput.ok(text="hi")},
        "CorePorts": CorePorts,
        "LLMPorts": LLMPorts,
        "AudioPorts": AudioPorts,
        **{
            name: f"the {name}"
            for name in ("db_session", "status_callback", "my_llm", "token_callback", "my_tts", "my_stt")
        },
    }
    namespace = names(**given)
    made = [step.value async for step in snippet.steps(namespace) if isinstance(step.value, StageInputs)]
    assert [each.snapshot.input_text for each in made] == ["Hi."] * 3
    assert [each.get_from("stt", "text") for each in made] == ["hi"] * 3
    core, llm, audio = (each.ports for each in made)
    assert core.core == CorePorts(db=given["db_session"], send_status=given["status_callback"])
    assert llm.llm == LLMPorts(llm_provider=given["my_llm"], send_token=given["token_callback"])
    assert audio.audio == AudioPorts(tts_provider=given["my_tts"], stt_provider=given["my_stt"])
    assert (core.db, core.llm_provider) == ("the db_session", None)
    assert namespace["create_core_ports"](db=1) == CorePorts(db=1)
    assert namespace["create_llm_ports"](llm_provider=1) == LLMPorts(llm_provider=1)
    assert namespace["create_audio_ports"](tts_provider=1) == AudioPorts(tts_provider=1)


@virtual
async def test_configuration_and_the_timer_reach_the_stage(snippet: Snippet) -> None:
    stage = stage_of(snippet.execute(names(), give_locals=True))
    graph = (
        Pipeline()
        .with_stage("before", returns({}, after_s=2))
        .with_stage("it", stage, dependencies=("before",), config={"timeout": 5})
        .build()
    )
    read = (await graph.run(ContextSnapshot(), config={"timeout": 60, "model": "small"})).data("it")
    assert (read["timeout"], read["model"], read["elapsed"]) == (5, "small", 2000)
    read = dict((await ran(stage)).data)
    assert (read["timeout"], read["model"], read["elapsed"]) == (30, "default", 0)


# --- producing -------------------------------------------------------------------------------------------------


@virtual
async def test_success_is_what_downstream_consumes(snippet: Snippet) -> None:
    async def consume(ctx: StageContext) -> Returned:
        return {key: ctx.inputs.get_from("it", key) for key in ("text", "metadata", "count")}

    results = await (
        Pipeline()
        .with_stage("it", stage_of(snippet.execute(names())))
        .with_stage("after", Do(consume), dependencies=("it",))
        .run()
    )
    assert results["it"].status is StageStatus.OK
    assert results.data("after") == {
        "text": "processed result", "metadata": {"source": "transform"}, "count": 42,
    }  # fmt: skip


@virtual
async def test_a_skip_is_no_error(snippet: Snippet) -> None:
    stage = stage_of(snippet.execute(names()))
    results = await (
        Pipeline().with_stage("it", stage).with_stage("after", returns({}), dependencies=("it",)).run()
    )
    assert (results["it"].status, results["it"].reason) == (StageStatus.SKIP, "No user_id provided")
    assert results.ok("after")
    assert (await ran(stage, snapshot=ContextSnapshot(user_id="user-1"))).status is StageStatus.OK


@virtual
async def test_a_cancel_ends_the_run_gracefully(snippet: Snippet) -> None:
    assert (await ran(stage_of(snippet.execute(names(is_blocked=False))))).status is StageStatus.OK
    pipeline = Pipeline().with_stage("it", stage_of(snippet.execute(names(is_blocked=True))))
    with pytest.raises(PipelineCancelled) as caught:
        await pipeline.with_stage("after", returns({}), dependencies=("it",)).run()
    assert caught.value.reason == "Content policy violation"
    assert caught.value.data == {"blocked": True, "policy": "safety"}
    assert list(caught.value.results) == ["it"]


class ServiceError(Exception):
    """What the service raises."""


class Service:
    """Answers or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def call(self) -> str:
        if self.error is not None:
            raise self.error
        return "fine"


@virtual
async def test_a_failure_says_what_went_wrong(snippet: Snippet) -> None:
    async def output_with(error: Exception | None) -> StageOutput:
        given = names(ServiceError=ServiceError, external_service=Service(error))
        return await ran(stage_of(snippet.execute(given, give_locals=True)))

    assert (await output_with(None)).data == {"result": "fine"}
    with pytest.raises(StageFailed) as caught:
        await output_with(ServiceError("no route to host"))
    assert (caught.value.stage, caught.value.error) == ("it", "Service call failed: no route to host")
    assert caught.value.data == {"error_type": "ServiceError"}


# --- making ----------------------------------------------------------------------------------------------------


@virtual
async def test_a_stateless_stage_is_a_class(snippet: Snippet) -> None:
    stage = snippet.run(names())["EchoStage"]
    assert (await ran(stage, snapshot=ContextSnapshot(input_text="Hi."))).data == {"echo": "Hi."}


@virtual
async def test_dependencies_come_through_init(snippet: Snippet) -> None:
    stage, client = snippet.run(names())["LLMStage"], Client()
    assert (await ran(stage(client))).data == {"response": "Hello."}
    assert (await ran(stage(client, model="small"))).data == {"response": "Hello."}
    assert client.asked == ["gpt-4", "small"]
    with pytest.raises(PipelineBuildError, match=r"class LLMStage needs arguments \(llm_client\)"):
        Pipeline().with_stage("llm", stage).build()


@virtual
async def test_a_class_is_made_anew_and_an_instance_is_shared(snippet: Snippet) -> None:
    """A pipeline is immutable: what `with_stage` returns has the stage, so that is looked at, call by call."""
    used: dict[str, list[object]] = {"echo": [], "llm": []}
    namespace = names(my_client=Client(), pipeline=Pipeline())
    GUIDE["Stateless Stages"].run(namespace)
    GUIDE["Stages with Dependencies"].run(namespace)
    for name, kind in (("echo", namespace["EchoStage"]), ("llm", namespace["LLMStage"])):
        namespace[kind.__name__] = remembering(kind, used[name])
    echo, llm_stage, llm = [step.value async for step in snippet.steps(namespace)]
    echo_graph, llm_graph = echo.build(), llm.build()
    for text in ("one", "two"):
        facts = ContextSnapshot(input_text=text)
        assert (await echo_graph.run(facts)).data("echo") == {"echo": text}
        assert (await llm_graph.run(facts)).data("llm") == {"response": "Hello."}
    assert len({id(stage) for stage in used["echo"]}) == 2
    assert [stage is llm_stage for stage in used["llm"]] == [True, True]


def remembering(kind: Any, used: list[object]) -> Any:
    """The class, noting the instances that execute."""

    class Remembering(kind):  # type: ignore[misc]
        async def execute(self, ctx: StageContext) -> StageOutput:
            used.append(self)
            output: StageOutput = await super().execute(ctx)
            return output

    return Remembering


# --- observing -------------------------------------------------------------------------------------------------


@virtual
async def test_events_reach_the_sink_and_the_output(snippet: Snippet) -> None:
    sink = CollectingEventSink()
    output = await ran(stage_of(snippet.execute(names())), event_sink=sink)
    custom = (
        StageEvent("custom.processing_started", {"step": 1}),
        StageEvent("custom.processing_completed", {"step": 1, "duration_ms": 100}),
    )
    assert output.status is StageStatus.OK
    assert output.events == custom
    assert tuple(event for event in sink.events if event.type.startswith("custom.")) == custom
    assert sink.types()[1:5] == ["stage.started", custom[0].type, custom[1].type, "stage.completed"]


@virtual
async def test_artifacts_reach_the_output(snippet: Snippet) -> None:
    output = await ran(stage_of(snippet.execute(names())))
    chart = {"chart_type": "bar", "data": [1, 2, 3, 4, 5], "title": "Results"}
    assert output.artifacts == (StageArtifact("chart", chart),)
    assert output.data == {"chart_generated": True}


# --- practices -------------------------------------------------------------------------------------------------


@virtual
async def test_the_sketches_of_stages_are_told_what_they_lack(snippet: Snippet) -> None:
    """The one that has an `execute` runs; of the sketches without one, each is named."""
    sketches = snippet.run(names())
    kind = StageKind.TRANSFORM
    everything = Pipeline().with_stage("everything", sketches["DoEverythingStage"], kind)
    assert (await everything.run())["everything"].status is StageStatus.OK
    pipeline = Pipeline()
    for name in ("ValidateStage", "EnrichStage", "TransformStage", "PersistStage"):
        pipeline = pipeline.with_stage(name, sketches[name], kind)
    with pytest.raises(PipelineBuildError) as caught:
        pipeline.build()
    assert [f"{name} has no execute" in fault for name, fault in _faults_by_stage(caught.value)] == [True] * 4


def _faults_by_stage(error: PipelineBuildError) -> list[tuple[str, str]]:
    return [(fault.split("'")[1], fault) for fault in error.faults]


@virtual
async def test_missing_data_is_a_skip(snippet: Snippet) -> None:
    stage = stage_of(snippet.execute(names()))
    output = await ran(stage)
    assert (output.status, output.reason) == (StageStatus.SKIP, "No user_id")
    assert (await ran(stage, snapshot=ContextSnapshot(user_id="user-1"))).status is StageStatus.OK


def test_log_fields_are_there(snippet: Snippet, caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def run() -> None:
        namespace = names()
        snippet.run(namespace)
        facts = ContextSnapshot(user_id=UUID(int=7), input_text="Hello")
        assert (await ran(stage_of(namespace["execute"]), snapshot=facts)).status is StageStatus.OK

    with caplog.at_level(logging.INFO, "guide"):
        run()
    record = caplog.records[0]
    assert (record.name, record.message) == ("guide", "Processing request")
    assert vars(record)["user_id"] == "00000000-0000-0000-0000-000000000007"
    assert vars(record)["input_length"] == 5


def test_a_stage_is_tested_with_a_double(snippet: Snippet) -> None:
    made: list[object] = []

    class Double:
        def __init__(self) -> None:
            made.append(self)

    namespace = snippet.run(names(Mock=Double))
    namespace["test_my_stage"]()
    assert len(made) == 1
    assert namespace["MyStage"](service=made[0]).service is made[0]
