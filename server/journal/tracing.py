"""A recorded session as a timeline in words: what came in, what providers gave, what was said. Pure."""

import json
from collections.abc import Iterator
from typing import Any

from server.journal.beyond import ArrivalKind
from server.journal.comparing import seconds
from server.journal.file import Journal
from server.journal.records import Came, Deed, Told

_MAX_CHARS = 100
_SOUNDS = ("input_audio_buffer.append", "response.output_audio.delta", "binary")
_WORDS = ("transcript", "text", "delta", "name", "arguments")


def timeline(journal: Journal) -> Iterator[str]:
    """One line each, with the seconds since the session began; runs of sound are one line."""
    errands = {asked.number: asked.what for asked in journal.asked}
    entries = [(came.turn, 0, _came(came, errands)) for came in journal.came]
    entries += [(told.turn, 1, _told(told)) for told in journal.told]
    held, since, last, count = "", 0.0, 0.0, 0
    for turn, _, text in sorted(entries, key=lambda entry: entry[:2]):
        at = seconds(turn, journal.times_s)
        if not text:
            continue
        if text == held:
            last, count = at, count + 1
            continue
        if held:
            yield _line(since, last, held, count)
        held, since, last, count = text, at, at, 1
    if held:
        yield _line(since, last, held, count)
    if journal.how != "over":
        yield f"the recording ends here: {journal.how}"


def _line(since: float, last: float, text: str, count: int) -> str:
    more = f" ({count} times, until {last:.3f})" if count > 1 else ""
    return f"{since:9.3f}  {text}{more}"


def _came(came: Came | Deed, errands: dict[int, str]) -> str:
    if isinstance(came, Deed):
        return f"       {came.name} {' '.join(str(one)[:_MAX_CHARS] for one in came.arguments)}"
    what = errands.get(came.number, "?")
    if what.startswith("wire"):
        return "client hangs up" if came.value is None else f"client ▶ {_frame(came.value)}"
    if what in ("begin", "send", "close") or (what.startswith("quota") and came.kind is ArrivalKind.VALUE):
        return ""
    if came.kind is ArrivalKind.ERROR:
        return f"       {what}: fails: {type(came.value).__name__}: {came.value}"
    if came.kind is ArrivalKind.END:
        return f"       {what}: ends"
    return f"       {what}: {_value(came.value)}"


def _value(value: Any) -> str:
    samples = getattr(value, "samples", None)
    if samples is not None:
        return "sound"
    transcript = getattr(value, "transcript", None)
    text = getattr(value if transcript is None else transcript, "text", None)
    if isinstance(text, str):
        return f"{type(value).__name__} {text!r}"
    return "done" if value is None else repr(value)[:_MAX_CHARS]


def _told(told: Told) -> str:
    return f"server ▶ {_frame(told.frame)}"


def _frame(frame: str | bytes) -> str:
    if isinstance(frame, bytes) or frame.startswith("<"):
        return "sound"
    try:
        event = json.loads(frame)
    except ValueError:
        return frame[:_MAX_CHARS]
    if not isinstance(event, dict):
        return frame[:_MAX_CHARS]
    type = str(event.get("type", "?"))
    if type in _SOUNDS:
        return "sound"
    said = [repr(event[name])[:_MAX_CHARS] for name in _WORDS if isinstance(event.get(name), str)]
    if type == "error" and isinstance(event.get("error"), dict):
        said = [str(event["error"].get("code"))]
    return " ".join([type, *said])
