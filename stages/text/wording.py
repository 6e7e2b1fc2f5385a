"""How people put things, as tables of regular expressions that a file holds. Pure.

Of `[patterns]` each is there or not. Of a kind of `[readings]` the first that is found counts, and is written as its
second text has it; those of a kind of `[rewrites]` are all made. All are for `stages.text.plain` text.
"""

import re
from collections.abc import Mapping
from typing import Any


class Wording:
    """Tables of one file. Immutable."""

    def __init__(self, tables: Mapping[str, Any]) -> None:
        """Raises `re.error` for what is no regular expression."""
        self.patterns = {name: re.compile(pattern) for name, pattern in tables.get("patterns", {}).items()}
        self._readings, self._rewrites = (
            {
                name: [(re.compile(pattern), written) for pattern, written in rows]
                for name, rows in tables.get(table, {}).items()
            }
            for table in ("readings", "rewrites")
        )

    def is_about(self, pattern: str, text: str) -> bool:
        """Whether one of the patterns is in a text."""
        return self.patterns[pattern].search(text) is not None

    def read(self, kind: str, text: str) -> str | None:
        """The first of a kind's readings that is in a text, as the table writes it."""
        found = ((pattern.search(text), written) for pattern, written in self._readings[kind])
        return next((match.expand(written) for match, written in found if match), None)

    def rewritten(self, kind: str, text: str) -> str:
        """A text with all that a kind's rewrites say put otherwise."""
        for pattern, written in self._rewrites[kind]:
            text = pattern.sub(written, text)
        return text
