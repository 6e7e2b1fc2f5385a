"""Makes text that every encoding can hold: JSON may carry halves of characters (`"\\ud83d"`), UTF-8 cannot. Pure.

A half comes from a service that cuts its text between the two units of an emoji. Halves that follow each other are
the character again; one that stays alone becomes U+FFFD, which is what it is: a character that was lost.
"""

import re
from collections.abc import Mapping
from typing import Any

_HALF = re.compile("[\ud800-\udfff]")
_FIRST_HALF = ("\ud800", "\udbff")


def whole(text: str) -> str:
    """The text in characters."""
    if text.isascii() or _HALF.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def whole_values(value: Any) -> Any:
    """A value of JSON with all texts in it made whole, keys too."""
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, Mapping):
        return {whole_values(key): whole_values(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [whole_values(inner) for inner in value]
    return value


class WholePieces:
    """Text that comes in pieces, cut anywhere, in whole characters."""

    def __init__(self) -> None:
        self._held = ""

    def push(self, piece: str) -> str:
        """What is complete by now: the first half of a character waits for the second."""
        text, self._held = self._held + piece, ""
        if text and _FIRST_HALF[0] <= text[-1] <= _FIRST_HALF[1]:
            text, self._held = text[:-1], text[-1]
        return whole(text)

    def flush(self) -> str:
        """What is left at the end."""
        held, self._held = self._held, ""
        return whole(held)
