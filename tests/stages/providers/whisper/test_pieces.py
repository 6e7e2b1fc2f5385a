"""Text in Whisper's pieces."""

import pytest

from stages.providers.whisper.pieces import tokens_of

PIECES = [*"abcdefghijklmnopqrstuvwxyz'-.", "Ġ", "Ã", "¼", "12", "Ġt", "he", "Ġthe", "'s", "re"]
NUMBERS = {piece: number for number, piece in enumerate(PIECES)}


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (" the", ["Ġthe"]),
        ("the", ["t", "he"]),
        (" there's", ["Ġthe", "re", "'s"]),
        (" a-b.", ["Ġ", "a", "-", "b", "."]),
        ("ü", ["Ã", "¼"]),
        ("", []),
    ],
)
def test_pieces_with_smaller_numbers_are_joined_first_within_words(text: str, pieces: list[str]) -> None:
    assert [PIECES[number] for number in tokens_of(text, NUMBERS)] == pieces
