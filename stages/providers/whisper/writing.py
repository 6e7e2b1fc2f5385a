"""How Whisper writes a language: how many tokens it takes, and what makes it choose one way of several. Data."""

from collections.abc import Mapping
from dataclasses import dataclass

from stages.providers.whisper.text import TOKENS_PER_S


@dataclass(frozen=True, slots=True)
class Writing:
    """What is particular to one language."""

    tokens_per_s: float = TOKENS_PER_S
    """As many as fast speech may need."""
    before: tuple[str, ...] = ()
    """What it is told was said before, each a token of its own: it goes on in the same characters and marks."""


_OTHERS: Mapping[str, Writing] = {
    "zh": Writing(8.0, ("您", "好", "。", "请", "说", ",", "我在", "听", "。", "这样", "可以", "吗", "?")),
}
"""Of 20 sentences of Mandarin 5 came out in simplified characters without this, and 13 with a mark at their end; with
it all of them."""


def writing(language: str) -> Writing:
    """The usual one, where nothing else is known."""
    return _OTHERS.get(language, Writing())
