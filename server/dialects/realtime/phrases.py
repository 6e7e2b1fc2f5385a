"""The words that a client expects to be said, out of its hints for the transcription: `keywords` and `prompt`.

The prompt is free text, as clients write it for models that read on from it; what stands in it between commas, and is
short, is a word to listen for, and the rest is not."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field, JsonValue

from stages.ports import MAX_PHRASE_CHARS, MAX_PHRASES
from stages.text.word_ends import ends_sentence

Keyword = Annotated[str, Field(max_length=MAX_PHRASE_CHARS)]

MAX_PROMPT_CHARS = 10_000
_MOST_WORDS = 4
"""More of them are a sentence, and no name."""
_BETWEEN = re.compile(r"[,;:\n\u3001\uff0c]")
_DOT = re.compile(r"\.(?=\s)")
_ITEM = re.compile(r"\d{1,3}[.)]\s+")
"""The number of an item in a list."""
_AROUND = " \t\r.!?\"'`*\u2022-"


def phrases_of(hints: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """All phrases in a client's hints, each once, as many as are taken."""
    keywords, prompt = hints.get("keywords"), hints.get("prompt")
    named = [" ".join(str(one).split()) for one in keywords] if isinstance(keywords, list) else []
    listed = listed_in(prompt)[0] if isinstance(prompt, str) else []
    return tuple(dict.fromkeys(one for one in (*named, *listed) if one))[:MAX_PHRASES]


def listed_in(prompt: str) -> tuple[list[str], list[str]]:
    """The words that a prompt lists, and what of it is none."""
    listed: list[str] = []
    others: list[str] = []
    for piece in _pieces(prompt):
        phrase = _without_number(" ".join(piece.split()).strip(_AROUND))
        is_name = len(phrase) <= MAX_PHRASE_CHARS and len(phrase.split()) <= _MOST_WORDS
        if phrase:
            (listed if is_name else others).append(phrase)
    return listed, others


def _without_number(phrase: str) -> str:
    number = _ITEM.match(phrase)
    return phrase[number.end() :] if number else phrase


def _pieces(prompt: str) -> Iterator[str]:
    """What stands between commas and ends of sentences: the dot of "Dr. Smith" is none."""
    for part in _BETWEEN.split(prompt):
        begun = 0
        for dot in _DOT.finditer(part):
            if ends_sentence(part[begun : dot.end()], part[dot.end() :]):
                yield part[begun : dot.end()]
                begun = dot.end()
        yield part[begun:]
