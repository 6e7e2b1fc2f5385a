"""The log says whose line it is, and nothing that a person said and no key."""

import json
import logging
from collections.abc import Iterator

import pytest

from server.telemetry.logs import LogFormatter, about, log_to
from stages.errors import ProviderError

log = logging.getLogger("server.of.a.test")


class Sink:
    """Lines as they would be written."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        self.lines.append(line)

    def one(self) -> str:
        (line,) = self.lines
        return line


@pytest.fixture
def sink() -> Iterator[Sink]:
    """The root logger as the server has it, until the test is over."""
    root = logging.getLogger()
    before, level, made = root.handlers[:], root.level, Sink()
    yield made
    root.handlers[:] = before
    root.setLevel(level)


def test_a_line_says_whose_it_is(sink: Sink) -> None:
    log_to(sink, "info")
    with about(session="sess_1", key="key-1", turn=None):
        log.info("session started", extra={"turn": 3, "reason": "two words"})
    assert sink.one().endswith(
        ' INFO server.of.a.test: session started session=sess_1 turn=3 key=key-1 reason="two words"'
    )
    log.info("nobody's")
    assert sink.lines[1].endswith("nobody's")


def test_programs_get_one_object_a_line(sink: Sink) -> None:
    log_to(sink, "info", "json")
    with about(session="sess_1"):
        log.warning("a\nb %s", "c", extra={"wait_ms": 7})
    told = json.loads(sink.one())
    assert "\n" not in sink.one()
    assert {key: told[key] for key in ("level", "logger", "message", "session", "wait_ms")} == {
        "level": "warning", "logger": "server.of.a.test", "message": "a\nb c", "session": "sess_1", "wait_ms": 7,
    }  # fmt: skip


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_a_person_said_is_left_out_unless_it_is_wanted(sink: Sink, form: str) -> None:
    for personal in (False, True):
        log_to(sink, "debug", form, personal=personal)
        try:
            raise KeyError("my secret diagnosis")
        except KeyError:
            log.exception("the turn failed", extra={"pii.error": "my secret diagnosis"})
        line = sink.lines[-1]
        assert ("diagnosis" in line) is personal
        assert "KeyError" in line
        assert "test_logs.py:" in line


def test_our_own_errors_are_told_with_what_they_came_of(sink: Sink) -> None:
    log_to(sink, "info")
    try:
        try:
            raise ValueError("words")
        except ValueError as cause:
            raise ProviderError("the voice is gone") from cause
    except ProviderError:
        log.exception("failed")
    assert "ProviderError: the voice is gone at test_logs.py:" in sink.one()
    assert ", of ValueError at test_logs.py:" in sink.one()
    assert "words" not in sink.one()


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_are_in_no_line(sink: Sink, form: str) -> None:
    log_to(sink, "info", form, secrets=["sk-0123456789", ""])
    log.info("asked with %s", "sk-0123456789", extra={"url": "https://me:pass@host/v1?key=sk-0123456789"})
    assert "sk-0123456789" not in sink.one()
    assert "pass" not in sink.one()
    assert "//…@host/v1" in sink.one()


def test_libraries_are_heard_when_something_is_wrong(sink: Sink) -> None:
    log_to(sink, "debug")
    library = logging.getLogger("websockets.of.a.test")
    library.debug("< Authorization: Bearer key")
    library.info("connection open")
    library.warning("told")
    log.debug("told too")
    assert [line.rpartition(": ")[2] for line in sink.lines] == ["told", "told too"]


def test_a_line_of_text_is_one_line_and_steers_no_terminal() -> None:
    record = logging.makeLogRecord({"msg": "a\nb\x1b[31m", "name": "server", "reason": "x\ny=1"})
    line = LogFormatter(as_json=False).format(record)
    assert line.isprintable()
    assert 'reason="x\\ny=1"' in line


def test_a_line_that_cannot_be_formatted_costs_nothing(sink: Sink) -> None:
    log_to(sink, "info")
    log.info("%d", "no number")
    assert "could not be formatted" in sink.one()
