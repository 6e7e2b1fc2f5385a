"""Words that a client expects to be said: out of its hints for the transcription, within limits that are named."""

import json
from typing import Any

import pytest

from server.dialects.realtime.dialect import RealtimeDialect
from server.dialects.realtime.phrases import phrases_of
from server.domain.commands import Configure
from server.domain.errors import ClientError
from server.domain.values import Abilities, SessionConfig
from stages.ports import MAX_PHRASES


def updated(dialect: RealtimeDialect, transcription: dict[str, Any] | None) -> SessionConfig:
    session = {"type": "realtime", "audio": {"input": {"transcription": transcription}}}
    command = dialect.decode(json.dumps({"type": "session.update", "session": session}))
    assert isinstance(command, Configure)
    return command.config


def hints_of(prompt: str) -> tuple[str, ...]:
    return phrases_of({"prompt": prompt})


@pytest.mark.parametrize(
    ("prompt", "phrases"),
    [
        ("Kowalski, DAHDI; New York\nsip", ("Kowalski", "DAHDI", "New York", "sip")),
        ("The following may be said: Kowalski, DAHDI.", ("Kowalski", "DAHDI")),
        ("- Kowalski\n- DAHDI", ("Kowalski", "DAHDI")),
        ('"Kowalski", "C#"', ("Kowalski", "C#")),
        ("expect words related to technology", ()),
        ("Zap, Zap, " * 3, ("Zap",)),
        (", ,;", ()),
        ("x" * 65, ()),
        ("3.5 mm, version 2.0", ("3.5 mm", "version 2.0")),
    ],
)
def test_a_prompt_is_a_list_of_words_where_it_is_one(prompt: str, phrases: tuple[str, ...]) -> None:
    assert hints_of(prompt) == phrases


def test_keywords_come_first_and_all_of_them_are_as_many_as_are_taken() -> None:
    many = ", ".join(f"word {number}" for number in range(MAX_PHRASES))
    phrases = phrases_of({"keywords": ["DAHDI", " "], "prompt": many})
    assert phrases[:2] == ("DAHDI", "word 0")
    assert len(phrases) == MAX_PHRASES


def test_they_are_the_sessions_until_they_are_taken_back() -> None:
    dialect = RealtimeDialect(SessionConfig())
    assert updated(dialect, {"keywords": ["DAHDI"]}).phrases == ("DAHDI",)
    assert updated(dialect, {"language": "en"}).phrases == ("DAHDI",)
    assert updated(dialect, {"keywords": [], "prompt": "Zap"}).phrases == ("Zap",)
    assert updated(dialect, None).phrases == ()


@pytest.mark.parametrize(
    ("hints", "param", "limit"),
    [
        ({"keywords": ["word"] * 101}, "session.audio.input.transcription.keywords", "100"),
        ({"keywords": ["x" * 65]}, "session.audio.input.transcription.keywords[0]", "64"),
        ({"prompt": "x" * 10_001}, "session.audio.input.transcription.prompt", "10000"),
        ({"keywords": "DAHDI"}, "session.audio.input.transcription.keywords", "list"),
    ],
)
def test_more_than_is_taken_is_an_error_that_names_the_limit(
    hints: dict[str, Any], param: str, limit: str
) -> None:
    with pytest.raises(ClientError) as caught:
        updated(RealtimeDialect(SessionConfig()), hints)
    assert caught.value.param == param
    assert limit in caught.value.message


@pytest.mark.parametrize(
    ("hints", "takes", "told"),
    [
        ({"keywords": ["DAHDI"], "prompt": "Zap"}, True, {}),
        ({"keywords": ["DAHDI"], "prompt": "Zap"}, False, {"keywords": "listens for no", "prompt": "for no"}),
        ({"prompt": "Zap, and whatever has to do with it"}, True, {"prompt": "'and whatever"}),
        ({"prompt": ",".join(map(str, range(101)))}, True, {"prompt": "of 101"}),
        ({"keywords": [*map(str, range(100))], "prompt": "1, Zap"}, True, {"prompt": "of 101"}),
    ],
)
def test_what_is_not_listened_for_is_told_once(
    hints: dict[str, Any], takes: bool, told: dict[str, str]
) -> None:
    dialect = RealtimeDialect(SessionConfig(), abilities=Abilities(takes_phrases=takes))
    for expected in (told, {}):
        session = {"type": "realtime", "audio": {"input": {"transcription": hints}}}
        command = dialect.decode(json.dumps({"type": "session.update", "session": session}))
        assert isinstance(command, Configure)
        found = {one.param.rpartition(".")[2]: one.message for one in command.ignored}
        assert found.keys() == expected.keys()
        assert all(part in found[name] for name, part in expected.items())


@pytest.mark.parametrize(
    ("prompt", "phrases"),
    [
        ("Dr. Smith, Acme Inc., J. R. R. Tolkien", ("Dr. Smith", "Acme Inc", "J. R. R. Tolkien")),
        ("Mrs. Jones. Sra. Gómez. Hr. Müller.", ("Mrs. Jones", "Sra. Gómez", "Hr. Müller")),
        ("St. John's, Mt. Hood", ("St. John's", "Mt. Hood")),
        ("1. Ceres\n2. Pallas\n3) Vesta", ("Ceres", "Pallas", "Vesta")),
        ("Ceres. Pallas. Bus No. 5, Vesta", ("Ceres", "Pallas", "Bus No. 5", "Vesta")),
    ],
)
def test_a_dot_that_ends_no_sentence_cuts_no_name(prompt: str, phrases: tuple[str, ...]) -> None:
    assert hints_of(prompt) == phrases
