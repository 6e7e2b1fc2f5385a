"""What is final happens when the person has said yes to a question about it, and not on the model's word."""

import json

import pytest

from server.tools.confirmation import is_confirmed, with_confirmation
from stageflow.context import Message
from stageflow.tools import Tool, ToolCall, ToolRegistry

ASKED = "Shall I cancel the table under Smith?"


def talk(*texts: str) -> list[Message]:
    """What was heard, the agent first."""
    return [
        Message(role="user" if number % 2 else "assistant", content=text) for number, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("heard", "confirmed"),
    [
        (talk(ASKED, "Yes, please."), True),
        (talk(ASKED, "Yes.", "One moment."), True),  # said by the answer that makes the call
        (talk(ASKED, "No."), False),
        (talk(ASKED, "What for?"), False),
        (talk(ASKED, "Yes, I mean, forget it."), False),
        (talk("Shall I cancel the table under Miller?", "Yes."), False),
        (talk("I will cancel the table under Smith.", "Yes."), False),
        (talk("Shall I cancel the table un [interrupted by the user]", "Yes."), False),
        (talk("Hello.", "Cancel the table under Smith."), False),
        (talk("Hello.", "Yes.", ASKED), False),  # it has only just been asked
        (talk(ASKED), False),
        ([Message(role="user", content="yes")], False),
        ([], False),
    ],
)
def test_a_yes_counts_for_the_question_that_it_answers(heard: list[Message], confirmed: bool) -> None:
    assert is_confirmed({"name": "Smith", "people": 2}, heard) is confirmed


async def cancel(name: str) -> dict[str, str]:
    """Cancel a booking."""
    return {"cancelled": name}


async def test_a_tool_that_wants_a_yes_tells_the_model_to_ask() -> None:
    heard = talk("Hello.", "Cancel my table, the name is Smith.")
    registry = ToolRegistry([Tool.of(cancel, effect="irreversible")])
    asking = with_confirmation(registry, frozenset({"cancel"}), lambda: heard)
    call = ToolCall("call_1", "cancel", {"name": "Smith"})
    refused = json.loads((await asking.execute(call)).text)
    assert refused["answer"] == "unconfirmed"
    assert "name Smith" in refused["error"]
    heard += talk(ASKED, "Yes.")
    assert json.loads((await asking.execute(call)).text) == {"cancelled": "Smith"}
    free = with_confirmation(registry, frozenset({"other"}), list)
    assert json.loads((await free.execute(call)).text) == {"cancelled": "Smith"}
