"""What the session has against a command, in the words of the Realtime protocol."""

from pathlib import Path

import pytest

from server.dialects.realtime.errors import code_of, message_of, param_of
from server.domain.errors import ClientError, Fault

CORE = ("conversation", "domain", "output", "response", "session", "turntaking")
ROOMS = Path(__file__).parents[4] / "server"


def test_each_fault_has_a_code_of_its_own() -> None:
    codes = {code_of(ClientError(fault, "")) for fault in Fault}
    assert len(codes) == len(Fault)


def test_what_the_dialect_has_found_keeps_its_words() -> None:
    error = ClientError("invalid_event", "The frame is not JSON.", param="after")
    assert (code_of(error), param_of(error)) == ("invalid_event", "after")
    assert message_of(error) == "The frame is not JSON."


@pytest.mark.parametrize(
    ("field", "param"),
    [
        ("after", "previous_item_id"),
        ("item_id", "item_id"),
        ("item.parts", "item.content"),
        ("options.context[3].call_id", "response.input[3].call_id"),
        ("config.truncation", "session.truncation"),
        (None, None),
    ],
)
def test_fields_of_commands_are_told_as_the_client_has_sent_them(
    field: str | None, param: str | None
) -> None:
    assert param_of(ClientError(Fault.INVALID_VALUE, "no", param=field)) == param


@pytest.mark.parametrize("room", CORE)
def test_the_core_has_no_word_of_the_protocol(room: str) -> None:
    sources = "\n".join(path.read_text() for path in (ROOMS / room).glob("*.py"))
    words = [code_of(ClientError(fault, "")) for fault in Fault if code_of(ClientError(fault, "")) != fault]
    words += [
        "turn_detected",
        "client_cancelled",
        "max_output_tokens",
        "invalid_request_error",
        "rate_limit_error",
    ]
    assert [word for word in words if f'"{word}"' in sources] == []
