"""What was said, as lines of a terminal: the newest line changes while somebody speaks, the lines above it stay."""

from collections.abc import Callable
from enum import Enum
from unicodedata import category

_CLEAR = "\r\x1b[K"
_INDENT = 7
"""As wide as `agent: `."""

_UNSHOWN = {"Cc", "Cs"}
"""Control characters, and halves of characters. What joins or directs letters is left in."""


Write = Callable[[str], object]
"""Writes a line, or a piece of one, for a person or a program."""


class _Newest(Enum):
    """What the newest line is."""

    STAYS = 0
    CAPTION = 1
    """It changes while somebody speaks."""
    STATUS = 2
    """It gives way to anything that is said."""


class Captions:
    """Both sides' words. Without `columns` only complete lines are written: for files and pipes."""

    def __init__(self, write: Write, columns: int | None = None) -> None:
        self._write = write
        self._columns = columns
        self._newest = _Newest.STAYS

    def changes(self, who: str, text: str) -> None:
        """Somebody is speaking, and this is known of it so far."""
        if self._columns is None:
            return
        room = self._columns - _INDENT - 1
        text = _on_one_line(text)
        shown = text if len(text) <= room else "…" + text[len(text) - room + 1 :]
        self._write(f"{_CLEAR}{who:>{_INDENT - 2}}: {shown}")
        self._newest = _Newest.CAPTION

    def types(self, text: str) -> None:
        """The person is typing this; it gives way to anything that is said, and to how things are."""
        self.changes("you", text)
        if self._newest is _Newest.CAPTION:
            self._newest = _Newest.STATUS

    def status(self, text: str) -> None:
        """How things are while nobody says anything."""
        if self._columns is None or self._newest is _Newest.CAPTION:
            return
        self._write(f"{_CLEAR}{'':{_INDENT}}{text[: self._columns - _INDENT - 1]}")
        self._newest = _Newest.STATUS

    def stays(self, who: str, text: str) -> None:
        """Write a line that stays: what has been said."""
        self._line(f"{who:>{_INDENT - 2}}: {_on_one_line(text)}")

    def note(self, text: str) -> None:
        """Write a line that nobody has said."""
        self._line(f"{'':{_INDENT}}({_on_one_line(text)})")

    def end(self) -> None:
        """Leave the terminal as it was found."""
        if self._newest is not _Newest.STAYS:
            self._write("\n")
            self._newest = _Newest.STAYS

    def _line(self, text: str) -> None:
        self._write(f"{'' if self._newest is _Newest.STAYS else _CLEAR}{text}\n")
        self._newest = _Newest.STAYS


def _on_one_line(text: str) -> str:
    """The text without what would move the cursor, command the terminal, or cannot be written at all."""
    words = ("".join(char for char in word if category(char) not in _UNSHOWN) for word in text.split())
    return " ".join(filter(None, words))
