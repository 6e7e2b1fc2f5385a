"""The values that cross a run: snapshot and output. Frozen, merged as promised, the same after a round trip."""

import dataclasses
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from stageflow import (
    ContextSnapshot,
    Document,
    InvalidOutputError,
    Memory,
    Message,
    Pipeline,
    Profile,
    RunIdentity,
    StageArtifact,
    StageContext,
    StageEvent,
    StageKind,
    StageOutput,
    StageStatus,
    ToolCall,
    create_stage_inputs,
)
from stageflow.stages.ports import CorePorts
from stages.testing.virtual_time import virtual
from tests.stageflow.doubles import Do, Returned

FULL = ContextSnapshot(
    input_text="Hi.",
    pipeline_run_id="run-1",
    request_id="request-1",
    session_id=UUID(int=1),
    user_id="user-1",
    org_id="org-1",
    interaction_id="interaction-1",
    topology="voice",
    execution_mode="realtime",
    messages=(
        Message("user", "What time is it?"),
        Message("assistant", tool_calls=(ToolCall("1", "clock", {"zone": "UTC"}),)),
        Message("tool", "noon", tool_call_id="1"),
    ),
    profile=Profile("Ada", {"language": "en"}),
    memory=Memory("A regular.", ("likes tea",)),
    documents=(Document("1", "Tea, coffee", "Menu"),),
    extensions={"table": {"seats": 4}},
    metadata={"route": "sales"},
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def test_a_snapshot_is_the_same_after_a_round_trip() -> None:
    assert ContextSnapshot.from_dict(FULL.to_dict()) == FULL
    empty = ContextSnapshot()
    assert ContextSnapshot.from_dict(empty.to_dict()) == empty


def test_a_snapshot_as_a_dict_is_plain() -> None:
    def check(value: Any) -> None:
        assert not dataclasses.is_dataclass(value)
        assert not isinstance(value, tuple | MappingProxyType)
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            check(inner)

    check(FULL.to_dict())


def test_a_run_id_is_made_and_is_another_each_time() -> None:
    ids = {ContextSnapshot().pipeline_run_id for _ in range(100)}
    assert len(ids) == 100
    assert all(ids)


def test_identity_is_the_six_ids() -> None:
    assert FULL.identity == RunIdentity("run-1", "request-1", UUID(int=1), "user-1", "org-1", "interaction-1")


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(ContextSnapshot)])
def test_no_field_of_a_snapshot_can_be_set(name: str) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(FULL, name, None)


def test_the_mappings_of_a_snapshot_cannot_be_changed_and_are_its_own() -> None:
    given = {"route": "sales"}
    snapshot = ContextSnapshot(metadata=given)
    given["route"] = "support"
    assert snapshot.metadata["route"] == "sales"
    with pytest.raises(TypeError):
        snapshot.metadata["route"] = "support"  # type: ignore[index]  # that is what must not work


def test_kinds_and_statuses_are_lower_case_strings() -> None:
    assert [str(kind) for kind in StageKind] == ["transform", "enrich", "route", "guard", "work", "agent"]
    assert [str(status) for status in StageStatus] == ["ok", "skip", "cancel", "fail", "retry"]


def test_an_output_merges_and_sorts_what_it_is_given() -> None:
    artifact, event = StageArtifact("chart", {"bars": 3}), StageEvent("seen")
    output = StageOutput.ok({"a": 1, "b": 2}, b=3, artifacts=[artifact], events=(event,))
    assert (output.data, output.artifacts, output.events) == ({"a": 1, "b": 3}, (artifact,), (event,))
    other = StageOutput.ok(artifacts=["not one"], events=[])
    assert (other.data, other.artifacts, other.events) == ({"artifacts": ["not one"], "events": []}, (), ())


def test_an_output_is_frozen_and_has_its_own_data() -> None:
    given = {"a": 1}
    output = StageOutput.ok(given)
    given["a"] = 2
    assert output.data == {"a": 1}
    with pytest.raises(TypeError):
        output.data["a"] = 2  # type: ignore[index]  # that is what must not work
    with pytest.raises(dataclasses.FrozenInstanceError):
        output.error = "none"  # type: ignore[misc]  # that is what must not work


def test_every_way_to_end_keeps_what_it_is_told() -> None:
    skip, cancel = StageOutput.skip("no need", {"x": 1}), StageOutput.cancel("enough", {"x": 2})
    fail, retry = StageOutput.fail("bad", {"x": 3}), StageOutput.retry("busy", {"x": 4}, after_s=5)
    assert [
        (each.status, each.reason or each.error, each.data["x"]) for each in (skip, cancel, fail, retry)
    ] == [
        ("skip", "no need", 1),
        ("cancel", "enough", 2),
        ("fail", "bad", 3),
        ("retry", "busy", 4),
    ]
    assert retry.after_s == 5


def test_data_that_is_none_is_refused_where_it_is_made() -> None:
    with pytest.raises(InvalidOutputError, match=r"the data is 'hello' \(str\): give a dict, or keywords"):
        StageOutput.ok("hello")  # type: ignore[arg-type]
    with pytest.raises(InvalidOutputError, match=r"the key 1 \(int\): use strings"):
        StageOutput.fail("bad", {1: "x"})  # type: ignore[dict-item]


@virtual
async def test_a_run_may_be_given_a_context_whose_configuration_and_ports_it_takes() -> None:
    async def look(ctx: StageContext) -> Returned:
        return {"model": ctx.config["model"], "size": ctx.config["size"], "db": ctx.ports.db}

    inputs = create_stage_inputs(FULL, ports=CorePorts(db="theirs"))
    context = StageContext(FULL, inputs, config={"model": "small", "size": 1})
    graph = Pipeline().with_stage("a", Do(look)).build()
    results = await graph.run(context, config={"size": 2})
    assert results.data("a") == {"model": "small", "size": 2, "db": "theirs"}
    assert results.run_id == "run-1"
    assert (await graph.run(context, ports=CorePorts(db="mine"))).data("a")["db"] == "mine"


def test_a_context_made_by_hand_has_inputs_ports_and_a_timer() -> None:
    context = StageContext(FULL)
    assert context.inputs.snapshot is FULL
    assert context.ports.llm_provider is None
    assert context.timer.elapsed_ms() >= 0
    given = create_stage_inputs(FULL, {"stt": StageOutput.ok(text="hi")})
    assert StageContext(FULL, config={"inputs": given}).inputs.get("text") == "hi"


def test_messages_that_were_checked_when_they_were_made_are_kept_as_they_are() -> None:
    told = (Message("user", "hi"), Message("assistant", "hello"))
    assert ContextSnapshot(messages=told).messages is told
    mixed: Any = (told[0], {"role": "user", "content": "again"})
    assert ContextSnapshot(messages=mixed).messages == (told[0], Message("user", "again"))


class Subclass(Message):
    """A message of somebody's own."""


def test_messages_of_a_class_of_ones_own_stay_of_that_class() -> None:
    told = (Subclass("user", "hi"), Message("assistant", "hello"))
    assert [*map(type, ContextSnapshot(messages=told).messages)] == [Subclass, Message]
