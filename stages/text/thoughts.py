"""Keeps a reasoning model's thoughts to itself: text deltas in, what is meant for the person out. Pure.

Some servers send a model's thinking in the answer itself, between `<think>` and `</think>`; nobody wants to
hear it. The tags may be cut anywhere.
"""

import re
from enum import Enum, auto

_TAGS = ("<think>", "</think>", "<thinking>", "</thinking>")
_TAG = re.compile("|".join(map(re.escape, _TAGS)))


class _State(Enum):
    SPEAKING = auto()
    THINKING = auto()
    AFTER_THOUGHT = auto()  # white space here belongs to the thought


class SpokenPart:
    """One answer on its way through. A closing tag without an opening one is dropped."""

    def __init__(self) -> None:
        self._state = _State.SPEAKING
        self._held = ""  # what may yet become a tag

    def push(self, delta: str) -> str:
        """What of `delta`, and of what was held back before it, can be said by now."""
        text = self._held + delta
        said = ""
        while match := _TAG.search(text):
            said += self._say(text[: match.start()])
            self._state = _State.AFTER_THOUGHT if match[0].startswith("</") else _State.THINKING
            text = text[match.end() :]
        self._held = text[len(text) - _begun_tag_chars(text) :]
        return said + self._say(text[: len(text) - len(self._held)])

    def flush(self) -> str:
        """The answer is over: what was held back was no tag."""
        held, self._held = self._held, ""
        return self._say(held)

    def _say(self, text: str) -> str:
        if self._state is _State.THINKING:
            return ""
        if self._state is _State.AFTER_THOUGHT:
            text = text.lstrip()
            if text:
                self._state = _State.SPEAKING
        return text


def _begun_tag_chars(text: str) -> int:
    """How many characters at the end of `text` may be the beginning of a tag."""
    start = text.rfind("<")
    tail = text[start:] if start >= 0 else ""
    return len(tail) if tail and any(tag.startswith(tail) for tag in _TAGS) else 0
