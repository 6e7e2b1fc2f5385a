"""What kind of answer an agent expects: what it says itself, or what the question at the end of its words asks for.

A person who spells a telephone number pauses longer than one who says yes; knowing which is coming lets the turn
end early in one case and late in the other. Of the words only the last sentence counts, and only if it asks.
"""

import re

from stages.errors import StageSettingsError
from stages.ports import Expects

_SENTENCE = re.compile(r"[^.!?]+[.!?]*")
_ASKS_FOR: tuple[tuple[Expects, re.Pattern[str]], ...] = (
    (Expects.EMAIL, re.compile(r"\be-?mail\b")),
    (
        Expects.PHONE,
        re.compile(
            r"\b(?:phone|telephone|mobile|cell|call(?: you)? back)\b.*\bnumber\b|\bnumber\b.*\breach\b"
        ),
    ),
    (
        Expects.NUMBER,
        re.compile(
            r"\bhow (?:many|much|old|long|far)\b|\bwhat (?:number|time|date|year|code)\b|\b(?:code|number)\?"
        ),
    ),
    (
        Expects.YES_NO,
        re.compile(
            r"^(?:and |so |okay,? |then )?"
            r"(?:do|does|did|is|are|was|were|am|has|have|had|can|could|may|will|would|shall|should)(?:n't)? "
            r"|\b(?:right|correct|okay|yes or no)\?$"
        ),
    ),
)


def expected_answer(text: str) -> Expects:
    """What the agent that has said `text` expects to hear."""
    sentences = _SENTENCE.findall(text.casefold())
    last = sentences[-1].strip() if sentences else ""
    if not last.endswith("?"):
        return Expects.FREE
    return next((expects for expects, pattern in _ASKS_FOR if pattern.search(last)), Expects.FREE)


def said_expectation(value: object) -> Expects | None:
    """What an agent has put into its output's `expects`; None when it leaves that to its words.

    Raises StageSettingsError for what is no kind of answer.
    """
    expects = next((expects for expects in Expects if expects == value), None)
    if expects is None and value is not None:
        allowed = ", ".join(Expects)
        raise StageSettingsError(
            "the agent", [f"expects is {value!r}; use one of {allowed}, or leave it out"]
        )
    return expects
