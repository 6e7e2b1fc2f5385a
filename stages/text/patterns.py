"""Regular expressions whose search takes time in proportion to the text, whatever the pattern and the text are.

The engine is RE2. What it cannot do in linear time it does not know: looking ahead or behind (`(?=…)`, `(?!…)`,
`(?<…)`), references to groups (`\\1`) and possessive repetition are refused when a pattern is made, and so is what it
reads in another way than Python does. `\\d`, `\\w` and `\\s` mean the digits, letters and spaces of all scripts; `\\b`
knows ASCII letters and digits only, so that it is refused beside others. Case never matters. Pure.
"""

import re
from collections.abc import Iterator

import re2

MAX_PATTERN_CHARS = 200
"""A longer pattern is a program, and nobody can say what it blocks."""

MAX_SIZE = 20_000
"""Steps of a pattern's program: in the worst case, searching some thousand characters takes half a second then."""

_TOKEN = re.compile(r"\\.|\[\^?\]?|\{,\d+\}|.", re.DOTALL)
_WORD, _SPACE = r"\p{L}\p{N}_", r"\s\v\p{Z}"
_OUTSIDE = {
    r"\d": r"\p{Nd}",
    r"\D": r"\P{Nd}",
    r"\w": f"[{_WORD}]",
    r"\W": f"[^{_WORD}]",
    r"\s": f"[{_SPACE}]",
    r"\S": f"[^{_SPACE}]",
}
_INSIDE = {r"\d": r"\p{Nd}", r"\D": r"\P{Nd}", r"\w": _WORD, r"\s": _SPACE}
_NEVER_INSIDE_NOT = (r"\W", r"\S")


class PatternFault(ValueError):
    """Why a pattern cannot be used, as a clause: "is not …"."""


class Pattern:
    """One pattern, made ready. Raises PatternFault."""

    def __init__(self, pattern: str) -> None:
        if len(pattern) > MAX_PATTERN_CHARS:
            raise PatternFault(f"has {len(pattern)} characters, the limit is {MAX_PATTERN_CHARS}")
        if not pattern.isascii() and re.search(r"(?<!\\)(?:\\\\)*\\[bB]", pattern):
            raise PatternFault(r"has \b or \B beside letters that are not ASCII, where they mean nothing")
        options = re2.Options()
        options.case_sensitive = False
        options.log_errors = False
        try:
            self._searched = re2.compile("".join(_translated(pattern)), options)
        except re2.error as error:
            raise PatternFault(f"is not a regular expression of RE2: {_words(error)}") from None
        self.pattern = pattern
        if self.size > MAX_SIZE:
            raise PatternFault(f"is too large: {self.size} steps, the limit is {MAX_SIZE}; repeat less")

    @property
    def size(self) -> int:
        """Steps of its program: a search takes at most some 5 ns for each of them and each byte of the text."""
        return int(self._searched.programsize)

    def is_in(self, text: str) -> bool:
        """Whether it matches anywhere. Does not hold the interpreter's lock while it searches."""
        return self._searched.search(text.encode(errors="replace").decode()) is not None


def _translated(pattern: str) -> Iterator[str]:
    """The pattern with Python's meaning of the classes of characters."""
    opened = ""  # with which the class of characters began that we are in
    for token in _TOKEN.findall(pattern):
        if not opened:
            if token.startswith("{,"):
                raise PatternFault(f"has {token}: write {{0{token[1:]}")
            opened = token if token[0] == "[" else ""
            yield _OUTSIDE.get(token, token)
        elif token in _NEVER_INSIDE_NOT and opened.startswith("[^"):
            raise PatternFault(rf"has {token} in [^…]: write \p{{L}}, \p{{N}} or \p{{Z}} in […]")
        else:
            opened = "" if token == "]" else opened
            yield _INSIDE.get(token, token)


def _words(error: re2.error) -> str:
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
