"""What kind of answer an agent's words ask for, told from the question at their end.

A person who spells a telephone number pauses longer than one who says yes; knowing which is coming lets the turn
end early in one case and late in the other. Only the last sentence counts, and only if it asks.
"""

import re

from stages.endpointing import Expects

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
