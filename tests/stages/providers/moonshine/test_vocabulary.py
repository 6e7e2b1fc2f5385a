"""Moonshine's vocabulary, byte by byte."""

import pytest

from stages.errors import ModelFileError
from stages.providers.moonshine.vocabulary import bytes_of, pieces_of, read_vocabulary, text_of

LONG = b"x" * 200
DATA = b"\x03<s>" + b"\x05\xe2\x96\x81hi" + bytes([200 % 128 + 128, 200 // 128]) + LONG + b"\x02\xc3\xa9"


def test_lengths_of_one_and_two_bytes_are_read() -> None:
    assert read_vocabulary(DATA) == (b"<s>", "\u2581hi".encode(), LONG, "é".encode())


def test_a_text_has_spaces_and_no_marks_and_unknown_tokens_are_left_out() -> None:
    assert text_of(read_vocabulary(DATA), [0, 1, 3, 1, 99, -1]) == "hié hi"


def test_a_file_that_ends_within_a_token_is_refused() -> None:
    with pytest.raises(ModelFileError, match="within a token"):
        read_vocabulary(DATA[:-1])


def test_a_text_is_found_in_its_pieces() -> None:
    assert bytes_of("hi you") == "\u2581hi\u2581you".encode()
    assert pieces_of((b"a", b"", b"b", b"a")) == {b"a": 3, b"b": 2}
