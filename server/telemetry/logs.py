"""The log: one formatter, for people or for programs, that says of every line whose session, turn and key it is about.

The session and the key's name come from the context that a task runs in (`about`), the turn from the context or the
line. What a person said is left out: fields that begin with `pii.` and the messages of exceptions that are not our own
are shown only where the operator wants it. Secrets of the configuration, and passwords in addresses, never are.
Libraries are heard from WARNING on: below that they print keys, addresses and what was said.
"""

import json
import logging
import re
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import PurePath

from server.domain.errors import ServerError
from stageflow.errors import StageFailed
from stages.errors import StagesError

OURS = ("server", "stages", "stageflow", "audio")
"""Loggers of this project; a plug-in logs under its own name and counts as a library."""

MAX_VALUE_CHARS = 500
"""Of one field, and of the message."""

_ABOUT: ContextVar[Mapping[str, object]] = ContextVar("log_fields", default={})  # noqa: B039 - never changed in place
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_FIRST = ("session", "turn", "key")
_USERINFO = re.compile(r"(?<=//)[^/@\s'\"]+@")
_PLAIN = re.compile(r"[\w.:/@+-]+")


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """Lines that are logged within, and in tasks that begin within, have these fields; None is no field."""
    given = {name: value for name, value in fields.items() if value is not None}
    token = _ABOUT.set({**_ABOUT.get(), **given})
    try:
        yield
    finally:
        _ABOUT.reset(token)


class LogFormatter(logging.Formatter):
    """A record as one line of text, or as one line of JSON."""

    def __init__(self, *, as_json: bool, personal: bool = False, secrets: Sequence[str] = ()) -> None:
        """`secrets` are never written, whatever says them."""
        super().__init__()
        self._as_json = as_json
        self._personal = personal
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever is in it."""
        fields = self._fields(record)
        message = _short(self._clean(record.getMessage()))
        at = f"{_second(int(record.created))}.{int(record.msecs):03d}"
        if self._as_json:
            head = {"time": at, "level": record.levelname.lower(), "logger": record.name, "message": message}
            return json.dumps(head | fields, ensure_ascii=False)
        told = " ".join(f"{name}={_as_text(value)}" for name, value in fields.items())
        return " ".join(filter(None, (at, record.levelname, f"{record.name}:", _one_line(message), told)))

    def _fields(self, record: logging.LogRecord) -> dict[str, object]:
        own = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        every = {**_ABOUT.get(), **own}
        if not self._personal:
            every = {name: value for name, value in every.items() if not name.startswith("pii.")}
        fields = {name: every.pop(name) for name in _FIRST if name in every} | every
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = self._error(record.exc_info[1])
        return {name: self._value(value) for name, value in fields.items()}

    def _value(self, value: object) -> object:
        return value if isinstance(value, (int, float)) or value is None else _short(self._clean(str(value)))

    def _error(self, error: BaseException) -> str:
        """What it is, where it came up, and what it came of."""
        told: list[str] = []
        seen: BaseException | None = error
        while seen is not None and len(told) < 4:
            told.append(_error_line(seen, personal=self._personal))
            seen = seen.__cause__ or seen.__context__
        return ", of ".join(told)

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return _USERINFO.sub("…@", text) if "@" in text else text


class LineHandler(logging.Handler):
    """Formats a record at once, in the context that it was logged in, and hands the line on."""

    def __init__(self, write: Callable[[str], None], formatter: LogFormatter) -> None:
        super().__init__()
        self._write = write
        self.setFormatter(formatter)

    def filter(self, record: logging.LogRecord) -> bool:
        """Libraries say too much below WARNING."""
        return record.levelno >= logging.WARNING or record.name.partition(".")[0] in OURS

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the line on. A record that cannot be formatted is told of by where it came from."""
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 - a log line must not cost a call
            line = f"a line of {record.name}:{record.lineno} could not be formatted: {type(error).__name__}"
        self._write(line)


def log_to(
    write: Callable[[str], None],
    level: str,
    form: str = "text",
    *,
    personal: bool = False,
    secrets: Sequence[str] = (),
) -> None:
    """Let all of the process log lines by `write`, instead of what was there; `form` is "text" or "json"."""
    formatter = LogFormatter(as_json=form == "json", personal=personal, secrets=secrets)
    root = logging.getLogger()
    root.handlers[:] = [LineHandler(write, formatter)]
    root.setLevel(level.upper())
    # Else it makes three records of each connection, which are thrown away.
    logging.getLogger("websockets").setLevel(logging.WARNING)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # no line tells them


@lru_cache(maxsize=2)
def _second(unix_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(unix_s))


def _error_line(error: BaseException, *, personal: bool) -> str:
    ours = isinstance(error, (StagesError, ServerError, OSError)) and not isinstance(error, StageFailed)
    kind = type(error).__name__
    said = f"{kind}: {error}" if ours or personal else kind
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    places = " < ".join(f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    return f"{said} at {places}" if places else said


def _short(text: str) -> str:
    return text if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 1] + "…"


def _as_text(value: object) -> str:
    """A value that cannot be taken for more than one."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _one_line(text: str) -> str:
    """Nothing in it that begins a new line, or steers a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " for char in text)
