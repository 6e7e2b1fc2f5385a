"""The script of `scripted.toml`, read once: what the agent hears in words, and what it says. Pure.

The agent keeps no state, so all it knows of its own last words is the text in the conversation. That text may be cut
short, because the history holds what was heard; the beginning of a sentence is recognised, too.
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.ports import Expects
from stages.text.wording import Wording

SCRIPT: Mapping[str, Any] = tomllib.loads(Path(__file__).with_name("scripted.toml").read_text("utf-8"))
SAYS: Mapping[str, Sequence[str]] = SCRIPT["says"]
QUESTIONS: Mapping[str, Mapping[str, Any]] = SCRIPT["questions"]
WORDING = Wording(SCRIPT)

_PLACE = re.compile(r"\{(\w+)\}")
_START = re.compile(r"^\s*|(?<=[.?!;])\s+")
_ENOUGH_CHARS = 6
"""Shorter beginnings are taken for nothing."""


@dataclass(frozen=True, slots=True)
class AgentSentence:
    """One sentence of the agent's: the occasion, and what was filled in."""

    occasion: str
    values: Mapping[str, str] = field(default_factory=dict)


def asks_for(said: AgentSentence) -> Expects | None:
    """What kind of answer is due after this sentence; None where it is not one of the script's questions."""
    question = QUESTIONS.get(said.occasion)
    return None if question is None else Expects(SCRIPT["expects"].get(question.get("asks"), "free"))


def worded(said: AgentSentence, turn: int) -> str:
    """The sentence for an occasion; which of several depends on the `turn` of the conversation."""
    choices = SAYS[said.occasion]
    return choices[turn % len(choices)].format_map(said.values)


def wished(result: str) -> AgentSentence | None:
    """The sentence that a tool's result names in `say`; None where none is named, or what fills it is not there."""
    try:
        values = {str(place): str(value) for place, value in json.loads(result).items()}
    except (ValueError, AttributeError):  # which is how failures are told
        return None
    sentences = SAYS.get(values.get("say", ""), ())
    places = {place for sentence in sentences for place in _PLACE.findall(sentence)}
    return AgentSentence(values["say"], values) if sentences and places <= values.keys() else None


def recognised(text: str) -> AgentSentence | None:
    """The last of the script's questions in `text`, whole or begun; a beginning that several have is of none."""
    found = [
        (match.end(), -match.start(), AgentSentence(occasion, match.groupdict()))
        for occasion, pattern, _ in _KNOWN
        for match in pattern.finditer(text)
    ]
    end, _, said = max(found, key=lambda entry: entry[:2], default=(0, 0, None))
    for start in _START.finditer(text, end):
        tail = text[start.end() :]
        begun = {occasion for occasion, _, beginning in _KNOWN if _is_begun(beginning, tail)}
        if begun:
            return AgentSentence(begun.pop()) if len(begun) == 1 else said
    return said


def _pattern(sentence: str) -> re.Pattern[str]:
    parts = _PLACE.split(sentence)  # literal, place, literal, …
    return re.compile(
        "".join(f"(?P<{part}>.+?)" if n % 2 else re.escape(part) for n, part in enumerate(parts))
    )


def _is_begun(beginning: str, tail: str) -> bool:
    """Whether `tail` begins with a sentence's fixed beginning, or is a part of it that tells."""
    enough = min(len(tail), len(beginning)) >= _ENOUGH_CHARS
    return enough and (beginning.startswith(tail) or tail.startswith(beginning))


_KNOWN = [
    (occasion, _pattern(sentence), _PLACE.split(sentence)[0].strip())
    for occasion in QUESTIONS
    for sentence in SAYS[occasion]
]
"""Of each sentence of a question the occasion, what matches it, and the part before the first place."""
