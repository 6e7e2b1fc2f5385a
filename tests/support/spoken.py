"""Tables of texts with what should be heard for them: tests/data/spoken_LANGUAGE.tsv."""

import re
from pathlib import Path

from stages.text.words import split_words

_DATA = Path(__file__).parents[1] / "data"
_AROUND_A_WORD = re.compile(r"^[^\w]+|[^\w]+$")


def table(language: str) -> list[tuple[str, str]]:
    """What is written, and what should be heard."""
    lines = (_DATA / f"spoken_{language}.tsv").read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines)
    return [(written.replace(r"\n", "\n"), heard) for written, heard in rows]


def words(text: str) -> list[str]:
    """The words of a text, without case and marks."""
    apart = (split_words(word) for word in re.split(r"[\s—–-]+", text.replace("’", "'").casefold()))
    bare = (_AROUND_A_WORD.sub("", word) for words in apart for word in words)
    return [word for word in bare if word]
