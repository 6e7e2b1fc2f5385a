"""Moonshine's vocabulary: a file with the bytes of each token in turn, in front of them how many there are. Pure."""

from collections.abc import Iterable, Sequence

from stages.errors import ModelFileError

_TWO_BYTES = 128
"""From here on a length has a second byte, which counts in this."""

_SPACE = "\u2581"
_MARKS = ("<s>", "</s>", "<unk>")


def read_vocabulary(data: bytes) -> tuple[bytes, ...]:
    """The bytes of each token. Raises ModelFileError if the file ends within one."""
    tokens, at, size = [], 0, len(data)
    while at < size:
        length = data[at]
        at += 1
        if length >= _TWO_BYTES and at < size:
            length += data[at] * _TWO_BYTES - _TWO_BYTES
            at += 1
        end = at + length
        if end > size:
            raise ModelFileError("moonshine-base-en: the vocabulary ends within a token")
        tokens.append(data[at:end])
        at = end
    return tuple(tokens)


def text_of(vocabulary: Sequence[bytes], tokens: Iterable[int]) -> str:
    """The text of tokens; those that are not in the vocabulary have none."""
    known = [vocabulary[token] for token in tokens if 0 <= token < len(vocabulary)]
    text = b"".join(known).decode("utf-8", "replace").replace(_SPACE, " ")
    for mark in _MARKS:
        text = text.replace(mark, "")
    return text.strip()


def bytes_of(text: str) -> bytes:
    """A text as the vocabulary has it."""
    return (_SPACE + text.replace(" ", _SPACE)).encode()


def pieces_of(vocabulary: Sequence[bytes]) -> dict[bytes, int]:
    """The token of each of its pieces; of two that look alike the later one, as the first stands for a bare byte."""
    return {piece: token for token, piece in enumerate(vocabulary) if piece}
