"""A conversation that outgrows what a model may be told, through a session."""

from typing import Any

import pytest

from tests.support.stage import Stage, play
from tests.support.trace_checker import check_trace

DONE = "response.done"
LONG = "word " * 6_000


def asked_thrice(truncation: Any) -> Stage:
    async def story(stage: Stage) -> None:
        stage.wire.say("session.update", session={"type": "realtime", "truncation": truncation})
        for number in range(1, 4):
            stage.ask(f"{number} {LONG}", "text")
            await stage.wire.until(DONE, number)

    stage = play(lambda: Stage("One.", "Two.", "Three."), story)
    check_trace(stage.wire.events())
    return stage


def begins(stage: Stage) -> list[str]:
    """How the messages begin that the model was asked with last."""
    return [message.content[:4] for message in stage.model.requests[-1].messages if message.role != "system"]


def responses(stage: Stage) -> list[dict[str, Any]]:
    return [event["response"] for event in stage.wire.events() if event["type"] == DONE]


def test_the_oldest_turns_are_not_told_any_more() -> None:
    stage = asked_thrice("auto")
    assert begins(stage) == ["2 wo", "Two.", "3 wo"]
    assert [response["status"] for response in responses(stage)] == ["completed"] * 3


def test_the_clients_own_limit_is_kept_to() -> None:
    stage = asked_thrice(
        {"type": "retention_ratio", "retention_ratio": 0.8, "token_limits": {"post_instructions": 8_000}}
    )
    assert begins(stage) == ["3 wo"]


def test_an_answer_that_would_need_a_cut_fails_where_none_is_allowed_and_says_why() -> None:
    stage = asked_thrice("disabled")
    *_, last = responses(stage)
    assert last["status"] == "failed"
    error = last["status_details"]["error"]
    assert error["code"] == "context_length_exceeded"
    assert 'set session.truncation to "auto"' in error["message"]
    assert last["output"][0]["content"][0]["text"].startswith("Sorry")


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "retention_ratio"},
        {"type": "retention_ratio", "retention_ratio": 1.5},
        {"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": {"post_instructions": -1}},
    ],
)
def test_a_wrong_truncation_is_refused_by_its_name(wrong: dict[str, Any]) -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say("session.update", session={"type": "realtime", "truncation": wrong})
        await stage.wire.until("error")

    (error,) = (event["error"] for event in play(Stage, story).wire.events() if event["type"] == "error")
    assert (error["code"], error["param"]) == ("invalid_value", "session.truncation")
