"""The words that a recogniser over the network is asked to listen for: as many as its service takes."""

from collections.abc import Iterable

IN_AN_ADDRESS = 2_000
"""Characters of all terms together, where they go with an address: servers refuse one of more than 8,000 bytes."""


def keyterms(
    terms: Iterable[str], *, most: int = 100, chars: int = 100, in_all: int = IN_AN_ADDRESS
) -> tuple[str, ...]:
    """The first `most` of the terms, each once, of at most `chars` characters and all together of at most `in_all`;
    a term that is too long is left out."""
    found: list[str] = []
    left = in_all
    for term in dict.fromkeys(" ".join(term.split()) for term in terms):
        if term and len(term) <= min(chars, left) and len(found) < most:
            found.append(term)
            left -= len(term)
    return tuple(found)
