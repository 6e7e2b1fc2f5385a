"""What enters a run is frozen, or copied: nothing that one run, stage or consumer does is seen by another."""

import collections
import copy
import dataclasses
import pickle
import threading
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stageflow import (
    ContextSnapshot,
    Pipeline,
    PipelineBuildError,
    RunEnded,
    StageContext,
    StageFailed,
    StageKind,
    StageOutput,
    StageUsageError,
)
from stageflow.frozen import freeze
from stages.testing.virtual_time import virtual
from tests.stageflow.doubles import Do, Returned, collects, gives, raises, sends

FACTS = ContextSnapshot(pipeline_run_id="run-1")


@dataclasses.dataclass
class Doc:
    """A value that can be changed."""

    text: str


@dataclasses.dataclass(frozen=True)
class Holder:
    """A value that cannot, but for what is in it."""

    tags: list[str]


CHANGES: dict[str, tuple[Any, Callable[[Any], object]]] = {
    "a defaultdict": (collections.defaultdict(list, a=[1]), lambda it: it["a"].append(2)),
    "an ordered dict": (collections.OrderedDict(a=1), lambda it: it.update(a=2)),
    "a counter": (collections.Counter(a=1), lambda it: it.update(a=1)),
    "a deque": (collections.deque([1]), lambda it: it.append(2)),
    "a dataclass": (Doc("theirs"), lambda it: setattr(it, "text", "mine")),
    "a dataclass in a tuple": ((Doc("theirs"),), lambda it: setattr(it[0], "text", "mine")),
    "a dataclass in a list in a dict": (
        {"x": [Doc("theirs")]},
        lambda it: setattr(it["x"][0], "text", "mine"),
    ),
    "an array": (np.zeros(2), lambda it: it.__setitem__(0, 1)),
    "a dict": ({"a": {"b": 1}}, lambda it: it["a"].update(b=2)),
    "a list": ([[1]], lambda it: it[0].append(2)),
    "a set": ({1}, lambda it: it.add(2)),
    "a frozen dataclass": (Holder(["a"]), lambda it: it.tags.append("b")),
    "bytes that can be changed": (bytearray(b"a"), lambda it: it.extend(b"b")),
}
"""A value, and what a stage does to it."""


@pytest.mark.parametrize("what", CHANGES)
@virtual
async def test_what_upstream_gave_is_safe_from_a_sibling(what: str) -> None:
    given, change = CHANGES[what]
    before = copy.deepcopy(given)

    async def meddle(ctx: StageContext) -> Returned:
        for value in (ctx.inputs.get("it"), ctx.inputs.get_output("up").data["it"]):  # type: ignore[union-attr]
            with suppress(TypeError, AttributeError):  # refused: a set is a frozenset by then
                change(value)
        return None

    pipeline = Pipeline().with_stage("up", gives(it=given)).with_stage("m", Do(meddle), dependencies=("up",))

    async def look(ctx: StageContext) -> Returned:
        return {"it": ctx.inputs.get_from("up", "it")}

    results = await pipeline.with_stage("look", Do(look), dependencies=("m",)).build().run(FACTS)
    seen = results.data("look")["it"]
    assert np.array_equal(seen, before) if isinstance(before, np.ndarray) else seen == before
    assert np.array_equal(given, before) if isinstance(before, np.ndarray) else given == before


@virtual
async def test_what_is_frozen_is_handed_out_without_copying() -> None:
    async def look(ctx: StageContext) -> Returned:
        return {"same": ctx.inputs.get("rows") is ctx.inputs.get_from("up", "rows")}

    pipeline = Pipeline().with_stage("up", gives(rows=[[1], {"a": 2}]))
    assert (await pipeline.with_stage("b", Do(look), dependencies=("up",)).run()).data("b") == {"same": True}


def test_a_member_of_an_enumeration_is_one_for_all_and_needs_no_copy() -> None:
    members = {"kind": StageKind.AGENT, "all": [StageKind.GUARD]}
    frozen, is_loose = freeze(members)
    assert frozen == members
    assert not is_loose


@virtual
async def test_each_consumer_of_a_stream_has_its_own_item() -> None:
    async def meddle(ctx: StageContext) -> Returned:
        async for item in ctx.inputs.stream("p"):
            item.text = "***"
        return None

    pipeline = Pipeline().with_stage("p", sends(Doc("fool"))).with_stage("m", Do(meddle), streams=("p",))
    results = await pipeline.with_stage("log", collects("p"), streams=("p",)).build().run(FACTS)
    assert results.data("log")["items"] == [Doc("fool")]


@virtual
async def test_data_that_is_in_itself_can_be_read() -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop

    async def look(ctx: StageContext) -> Returned:
        tree = ctx.inputs.get("tree")
        return {"ok": tree["self"]["self"] is tree["self"]}

    pipeline = Pipeline().with_stage("up", gives(tree=loop)).with_stage("b", Do(look), dependencies=("up",))
    assert (await pipeline.run()).data("b") == {"ok": True}


@virtual
async def test_a_configuration_is_the_same_in_every_run() -> None:
    async def remember(ctx: StageContext) -> Returned:
        ctx.config["notes"].text += "!"
        with pytest.raises(TypeError):
            ctx.config["seen"].append(1)
        with pytest.raises(TypeError):
            ctx.config["new"] = 1  # type: ignore[index]  # that is what must not work
        return {"notes": ctx.config["notes"].text, "theirs": ctx.config["theirs"]["n"]}

    seen: list[int] = []
    config, theirs = {"seen": seen, "notes": Doc("a")}, {"theirs": {"n": 1}}
    graph = Pipeline().with_stage("s", Do(remember), config=config).build()
    for _ in range(2):
        assert (await graph.run(FACTS, config=theirs)).data("s") == {"notes": "a!", "theirs": 1}
    assert (seen, config["notes"], theirs) == ([], Doc("a"), {"theirs": {"n": 1}})


def test_no_part_of_a_snapshot_can_be_changed() -> None:
    tags: list[str] = []
    facts = ContextSnapshot(
        metadata={"tags": tags},
        extensions={"cart": {"n": 1}},
        profile={"preferences": {"lang": "en"}},
        messages=[{"role": "user", "content": "hi", "metadata": {"k": [1]}}],
        documents=[{"id": "1", "text": "t", "metadata": {"k": {}}}],
        memory={"metadata": {"k": {}}},
    )
    assert facts.profile is not None
    assert facts.memory is not None
    parts: tuple[Any, ...] = (facts.extensions, facts.profile.preferences, facts.messages[0].metadata)
    for part in (*parts, facts.documents[0].metadata, facts.memory.metadata, facts.extensions["cart"]):
        with pytest.raises(TypeError, match="cannot be changed, because others see it too"):
            part["x"] = 1
    tags.append("x")
    assert facts.metadata["tags"] == []
    with pytest.raises(TypeError):
        facts.metadata["tags"].append("x")


def test_a_snapshot_takes_what_cannot_be_compared() -> None:
    """An array says neither yes nor no to whether it is empty."""
    said = np.array([{"role": "user", "content": "one"}, {"role": "user", "content": "two"}])
    assert [message.content for message in ContextSnapshot(messages=said).messages] == ["one", "two"]
    with pytest.raises(StageUsageError, match="metadata"):
        ContextSnapshot(metadata=np.array([1, 2]))  # type: ignore[arg-type]  # it is no mapping


@pytest.mark.parametrize("value", [threading.Lock(), Doc("x"), SimpleNamespace(lock=threading.Lock())])
def test_what_cannot_be_frozen_is_refused_by_a_snapshot_with_its_key(value: object) -> None:
    with pytest.raises(StageUsageError, match=r"metadata.*has 'it'"):
        ContextSnapshot(metadata={"it": value})


@virtual
async def test_what_can_neither_be_frozen_nor_copied_is_refused_with_its_key() -> None:
    with pytest.raises(StageFailed, match=r"the data has 'it', but a lock can neither be frozen nor copied"):
        await Pipeline().with_stage("a", gives(it=threading.Lock())).run()
    with pytest.raises(StageUsageError, match="the run's config has 'it'"):
        await Pipeline().with_stage("a", gives()).run(FACTS, config={"it": threading.Lock()})
    with pytest.raises(PipelineBuildError, match="its config has 'it'"):
        Pipeline().with_stage("a", gives(), config={"it": threading.Lock()}).build()
    reader = (
        Pipeline().with_stage("p", sends(threading.Lock())).with_stage("c", collects("p"), streams=("p",))
    )
    with pytest.raises(StageFailed, match="'p' sends an item that is of no use"):
        await reader.run()


@virtual
async def test_all_values_can_be_pickled_copied_and_compared() -> None:
    snapshot = ContextSnapshot(input_text="x", metadata={"a": [1, {"b": 2}]})
    output = StageOutput.ok(x=[1, {"y": 2}], doc=Doc("theirs"))
    results = await Pipeline().with_stage("s", gives(x=[1])).build().run(snapshot)
    values = [snapshot, output, results, snapshot.identity]
    for pipeline in (Pipeline().with_stage("s", raises(ValueError("bad"))), Pipeline()):
        try:
            await pipeline.run()
        except (RunEnded, PipelineBuildError) as error:
            values.append(error)
    for value in values:
        for again in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):  # our own
            assert type(again) is type(value)
            if isinstance(value, Exception):
                assert str(again) == str(value)
                assert getattr(again, "faults", None) == getattr(value, "faults", None)
            else:
                assert again == value
    assert dataclasses.asdict(output)["data"]["x"] == [1, {"y": 2}]
    assert hash(snapshot) == hash(pickle.loads(pickle.dumps(snapshot)))  # our own
    again = copy.deepcopy(output)
    with pytest.raises(TypeError):
        again.data["x"].append(1)
