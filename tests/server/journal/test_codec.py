"""What a record holds comes back as it was, and nothing that it does not know is made of it."""

import json
from typing import Any

import numpy as np
import pytest

from server.domain.errors import ClientError, Fault, SessionOver
from server.domain.values import SessionConfig, TurnDetection
from server.journal.codec import ForeignError, Packer, UnknownValue, unpack
from server.response.holder import OpenAnswer
from server.session.snapshot import Snapshot
from stageflow.tools import ToolCall
from stages.client_tools import client_tool
from stages.errors import ErrorKind, ProviderTimeout
from stages.ports import Expects, Finished, HeardWord, Speech, Transcript, TurnOver, WordTime


def again(value: Any) -> Any:
    packer = Packer()
    text = json.dumps(packer.pack(value))
    return unpack(json.loads(text), bytes(packer.blob))


@pytest.mark.parametrize(
    "value",
    [
        None,
        0.1 + 0.2,
        {"a": [1, (2.5, b"\x00\xff")], "$": "data"},
        Transcript("hello", words=(HeardWord("hello", 10, 400, 0.5),)),
        TurnOver(Transcript("bye"), 16_000),
        Finished("length", expects=Expects.PHONE),
        ToolCall("call_1", "pay", {"amount": 3, "to": ["a", {"b": None}]}),
        SessionConfig(
            turn_detection=TurnDetection(eagerness="low"), tools=(client_tool("a", "b", {"type": "object"}),)
        ),
        frozenset({"b", "a"}),
        Snapshot("sess_1", answer=OpenAnswer("resp_1")),
    ],
)
def test_a_value_comes_back(value: object) -> None:
    assert again(value) == value


def test_sound_comes_back_sample_by_sample() -> None:
    speech = again(Speech(np.arange(-5, 500, dtype="<i2"), (WordTime("a", 0, 9),), 3))
    assert speech.samples.dtype == np.int16
    assert (speech.samples == np.arange(-5, 500)).all()
    assert (speech.words, speech.begins) == ((WordTime("a", 0, 9),), 3)


def test_an_error_comes_back_with_what_it_says() -> None:
    error = again(ProviderTimeout("too late", kind=ErrorKind.TIMEOUT, retry_after_s=2.0))
    assert type(error) is ProviderTimeout
    assert (str(error), error.kind, error.retry_after_s) == ("too late", ErrorKind.TIMEOUT, 2.0)
    over = again(SessionOver(1001, "stopping", error=ClientError("busy", "too many", param="x")))
    assert (over.close_code, over.reason, over.error.code, over.error.param) == (
        1001,
        "stopping",
        "busy",
        "x",
    )


def test_what_a_session_has_against_a_command_comes_back_whole() -> None:
    error = ClientError(Fault.RATE_LIMIT, "2 a minute", param="item.parts", blame="limit", ref="c1")
    assert vars(again(error)) == vars(error)
    assert isinstance(again(error).code, Fault), "for which dialects have words of their own"


def test_an_error_that_nobody_knows_here_is_said_to_be_one() -> None:
    class OperatorsError(Exception):
        """Somebody's."""

    error = again(OperatorsError("no such row"))
    assert type(error) is ForeignError
    assert str(error) == "OperatorsError: no such row"


def test_objects_of_others_are_neither_written_nor_made() -> None:
    with pytest.raises(UnknownValue, match="object"):
        Packer().pack(object())
    with pytest.raises(UnknownValue, match="Popen"):
        unpack({"$": "data", "c": "Popen", "v": {"args": "ls"}}, b"")
    with pytest.raises(UnknownValue):
        unpack({"$": "call", "c": "os.system", "v": []}, b"")
