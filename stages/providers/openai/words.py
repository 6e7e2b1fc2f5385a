"""The words in what a chat server sends: text, or parts of which some are text and some are thoughts. Pure."""

from collections.abc import Mapping

_FIRST_HALVES, _HALVES = ("\ud800", "\udbff"), ("\ud800", "\udfff")


def text_of(content: object) -> str:
    """What of it is to be said."""
    return "".join(text for is_thought, text in _parts(content) if not is_thought)


def thought_of(content: object) -> str | None:
    """What of it is thought, None if nothing is."""
    thoughts = [text for is_thought, text in _parts(content) if is_thought]
    return "".join(thoughts) if thoughts else None


def _parts(content: object) -> list[tuple[bool, str]]:
    """Each part, and whether it is a thought."""
    if isinstance(content, str):
        return [(False, content)]
    parts = []
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, Mapping):
            kind = str(part.get("type", ""))
            is_thought = "think" in kind or "reason" in kind
            text = part.get("text")
            parts.append((is_thought, text if isinstance(text, str) else ""))
    return parts


class Letters:
    """Joins the halves of a letter that a server has cut in two; a half of which there is no other is replaced."""

    def __init__(self) -> None:
        self._half = ""

    def push(self, text: str) -> str:
        """What is whole by now."""
        text, self._half = self._half + text, ""
        if text and _FIRST_HALVES[0] <= text[-1] <= _FIRST_HALVES[1]:
            text, self._half = text[:-1], text[-1]
        return mended(text)

    def flush(self) -> str:
        """What is left."""
        half, self._half = self._half, ""
        return mended(half)


def mended(text: str) -> str:
    """The text with halves of letters joined or replaced: nothing could encode it otherwise."""
    if text.isascii() or not any(_HALVES[0] <= char <= _HALVES[1] for char in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
