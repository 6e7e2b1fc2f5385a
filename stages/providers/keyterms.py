"""The words that a recogniser over the network is asked to listen for: as many as its service takes."""

from collections.abc import Iterable

IN_AN_ADDRESS = 2_000
"""Bytes of all terms together, where they go with an address: each may take three there, and servers refuse an address
of more than 8,000."""


def keyterms(
    terms: Iterable[str], *, most: int = 100, chars: int = 100, in_all: int = IN_AN_ADDRESS
) -> tuple[str, ...]:
    """The first `most` of the terms, each once, of at most `chars` characters and all together of at most `in_all`
    bytes of UTF-8; a term that is too long is left out."""
    found: list[str] = []
    left = in_all
    for term in dict.fromkeys(" ".join(term.split()) for term in terms):
        size = len(term.encode())
        if term and len(term) <= chars and size <= left and len(found) < most:
            found.append(term)
            left -= size
    return tuple(found)
