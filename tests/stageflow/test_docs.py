"""Every snippet of docs/stageflow.md runs, from the top to the bottom, and every value that it shows is the true one.

A test reads the document to its own snippet, as a reader would, and asserts on what is there then.
"""

import inspect
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from stageflow import CollectingEventSink, ContextSnapshot, PipelineCancelled, StageFailed
from stages.testing.virtual_time import virtual
from tests.support.snippets import ROOT, snippets

DOCUMENT = snippets("docs/stageflow.md")
PAGE = (ROOT / "docs/stageflow.md").read_text()

TESTS = {
    "Composing pipelines": "test_the_stages_of_the_shop",
    "Composing pipelines (2)": "test_what_waits_for_what",
    "Composing pipelines (3)": "test_a_run_takes_one_branch",
    "Routing": "test_branches_are_joined",
    "Faults": "test_all_faults_are_reported",
    "Parts": "test_parts_become_a_whole",
    "Editing": "test_a_pipeline_is_edited",
    "Inputs": "test_inputs_are_asked",
    "Services and settings": "test_a_missing_service_is_named",
    "Streaming": "test_a_stream_is_read",
    "Errors and cancellation": "test_an_ending_carries_what_there_was",
    "Time": "test_a_stage_has_its_time",
    "Another try": "test_another_try_is_made",
    "Being cancelled": "test_the_caller_cancels",
    "Being cancelled (2)": "test_cleaning_up_is_shielded_and_limited",
    "Watching a run": "test_events_are_collected",
    "Watching a run (2)": "test_interceptors_watch_and_forbid",
    "Testing": "test_stages_run_alone",
    "Testing (2)": "test_stages_are_checked",
}
"""Which test reads to which snippet."""

SNIPPETS = {test: key for key, test in TESTS.items()}

Read = Callable[[], Awaitable[dict[str, Any]]]


@pytest.fixture
def read(request: pytest.FixtureRequest) -> Read:
    """Reads the document to the snippet of the test that asks, and gives the names that there are then."""

    async def read() -> dict[str, Any]:
        namespace: dict[str, Any] = {"__name__": "reader"}
        for key, snippet in DOCUMENT.items():
            async for step in snippet.steps(namespace):
                place = f"docs/stageflow.md:{step.line}"
                assert not step.comment or (place, str(step.value)) == (place, step.comment)
            if key == SNIPPETS[request.node.originalname]:
                break
        return namespace

    return read


def test_no_snippet_is_without_its_test() -> None:
    assert list(DOCUMENT) == list(TESTS)
    for test in TESTS.values():
        assert "read" in inspect.signature(globals()[test]).parameters


def test_both_documents_are_linked_from_where_people_begin() -> None:
    for document in ("docs/guide/building-stages.md", "docs/stageflow.md"):
        assert document in (ROOT / "README.md").read_text()
        assert document in (ROOT / "CONTRIBUTING.md").read_text()


@pytest.mark.parametrize(
    "page",
    [
        "docs/guide/building-stages.md",
        "docs/guide/pipelines.md",
        "docs/guide/context.md",
        "docs/stageflow.md",
        "docs/examples/simple.md",
    ],
)
def test_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#([^)]+))?\)", (ROOT / page).read_text())
    assert links
    for target, anchor in links:
        document = (ROOT / page).parent / target
        assert document.exists(), f"{page} leads to {target}"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
            assert anchor in [title.lower().replace(" ", "-") for title in titles]


def test_the_complete_example_prints_what_it_says() -> None:
    page = (ROOT / "docs" / "examples" / "simple.md").read_text()
    (program,) = re.findall(r"```python\n(.+?)```", page, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert f"It prints `{done.stdout.strip()}`" in page


@virtual
async def test_the_stages_of_the_shop(read: Read) -> None:
    names = await read()
    assert [names[name].kind for name in ("Listen", "Guard", "Router", "Answer")] == [
        "transform", "guard", "route", "agent",
    ]  # fmt: skip


@virtual
async def test_what_waits_for_what(read: Read) -> None:
    graph = (await read())["graph"]
    assert [(spec.name, spec.dependencies) for spec in graph.stages] == [
        ("listen", ()),
        ("guard", ("listen",)),
        ("router", ("listen",)),
        ("sales", ("router",)),
        ("support", ("router",)),
    ]


@virtual
async def test_a_run_takes_one_branch(read: Read) -> None:
    results = (await read())["results"]
    assert [name for name in results if results.ok(name)] == ["listen", "guard", "router", "sales"]


@virtual
async def test_branches_are_joined(read: Read) -> None:
    names = await read()
    results = await names["shop"].run(ContextSnapshot(input_text="I want to buy tea."))
    assert results.data("reply") == {"text": "Gladly. Which?"}


@virtual
async def test_all_faults_are_reported(read: Read) -> None:
    complaint = (await read())["complaint"]
    assert f"```\n{complaint}\n```" in PAGE
    assert "its routes are 'sales', 'support'" in complaint


@virtual
async def test_parts_become_a_whole(read: Read) -> None:
    names = await read()
    whole = names["pipeline"].compose(names["polite"]).build()
    results = await whole.run(ContextSnapshot(input_text="My kettle leaks."))
    assert results["thanks"].status == "skip"


@virtual
async def test_a_pipeline_is_edited(read: Read) -> None:
    edited = (await read())["edited"].build()
    assert [spec.name for spec in edited.stages] == ["listen", "shout", "router", "sales", "support"]
    assert 's0["listen"]' in edited.mermaid()
    results = await edited.run(ContextSnapshot(input_text="I want to buy tea."))
    assert results.ok("support")  # what the router is given is in capitals by then


@virtual
async def test_inputs_are_asked(read: Read) -> None:
    names = await read()
    results = await names["summing_up"].run(ContextSnapshot(input_text="I want to buy tea."))
    assert results.data("summary")["sold"] == results.data("summary")["answer"] == "Gladly. Which?"


@virtual
async def test_a_missing_service_is_named(read: Read) -> None:
    complaint = (await read())["complaint"]
    assert "'db'" in complaint
    assert "CorePorts(db=...)" in complaint


@virtual
async def test_a_stream_is_read(read: Read) -> None:
    names = await read()
    sink = CollectingEventSink()
    await names["talking"].run(ContextSnapshot(), event_sink=sink)
    assert [event.data["stage"] for event in sink.of("stage.started")] == ["write", "speak"]


@virtual
async def test_an_ending_carries_what_there_was(read: Read) -> None:
    graph = (await read())["graph"]
    with pytest.raises(PipelineCancelled) as caught:
        await graph.run(ContextSnapshot(input_text="Visit our casino!"))
    assert caught.value.reason == "advertising"
    assert not isinstance(caught.value, StageFailed)
    assert caught.value.results.failed() == ()


@virtual
async def test_a_stage_has_its_time(read: Read) -> None:
    await read()
    assert anyio.current_time() == 0.5


@virtual
async def test_another_try_is_made(read: Read) -> None:
    before = 0.5
    results = (await read())["results"]
    assert results["fetch"].duration_ms == 4000
    assert anyio.current_time() == before + 4


@virtual
async def test_the_caller_cancels(read: Read) -> None:
    await read()
    assert anyio.current_time() == pytest.approx(4.7)


@virtual
async def test_cleaning_up_is_shielded_and_limited(read: Read) -> None:
    names = await read()

    async def send_slowly(*told: object) -> None:
        sent.append(told)
        await anyio.sleep(60)

    sent: list[object] = []
    recording = names["Pipeline"]().with_stage("record", names["Record"]).build()
    began_s = anyio.current_time()
    with anyio.move_on_after(1):
        await recording.run(ContextSnapshot(), ports=names["CorePorts"](send_status=send_slowly))
    assert sent == [("record", "stopped", {})]
    assert anyio.current_time() == pytest.approx(began_s + 1.05)


@virtual
async def test_events_are_collected(read: Read) -> None:
    sink = (await read())["sink"]
    assert [event.data["stage"] for event in sink.events] == [None, "save", "save", None]
    assert {event.data.keys() >= {"run_id", "stage", "kind", "duration_ms"} for event in sink.events} == {
        True
    }


@virtual
async def test_interceptors_watch_and_forbid(read: Read) -> None:
    names = await read()
    assert names["db"] == [("orders", "tea")]
    assert (names["spans"][0].stage, names["spans"][0].status) == ("listen", "ok")
    assert [str(span.status) for span in names["spans"] if span.stage == "save"] == ["fail"]


@virtual
async def test_stages_run_alone(read: Read) -> None:
    names = await read()
    with pytest.raises(names["PipelineBuildError"], match="needs arguments"):
        names["Pipeline"]().with_stage("answer", names["Answer"]).build()
    assert names["words"] == ["Tea", "is", "ready."]


@virtual
async def test_stages_are_checked(read: Read) -> None:
    names = await read()
    assert any("without ports" in line for line in names["found"])
