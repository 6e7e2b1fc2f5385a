"""What people say alone, before anything is heard."""

import pytest

from stages.ports import Expects
from stages.providers.moonshine.engine import MODEL_NAME, MoonshineEngine
from stages.providers.moonshine.prior import ASKED_FOR, prior
from stages.runtime.models import model_dir


@pytest.mark.parametrize(
    ("likelier", "other"),
    [
        (("Eighty.", 2), ("A. D.", 1)),
        (("Eighty.", 2), ("Ad", 1)),
        (("80", 0), ("Ad", 1)),
        (("B", 1), ("Mayor.", 1)),
        (("No.", 1), ("Know.", 1)),
        (("Mouth", 1), ("Melf.", 2)),
        (("planet", 1), ("Plan it", 1)),
        (("Melf.", 2), ("And should be", 3)),
    ],
)
def test_what_people_say_alone_is_likelier(likelier: tuple[str, int], other: tuple[str, int]) -> None:
    assert prior(*likelier) > prior(*other)


def test_numbers_of_several_words_and_pieces_are_as_likely_as_others() -> None:
    assert prior("twenty one", 4) == prior("80", 0) > prior("Monday", 1)


@pytest.mark.parametrize(
    ("expects", "text"),
    [(Expects.EMAIL, "B"), (Expects.NUMBER, "80"), (Expects.YES_NO, "No."), (Expects.PHONE, "8")],
)
def test_what_was_asked_for_is_likelier_than_other_answers(expects: Expects, text: str) -> None:
    assert prior(text, 1, expects) == ASKED_FOR > prior("Monday", 1, expects) > prior("Peter", 1, expects)


@pytest.mark.models
def test_frequent_words_are_one_piece_of_the_vocabulary() -> None:
    engine = MoonshineEngine(model_dir(MODEL_NAME), threads=1)
    assert [engine.pieces(text) for text in ("Mouth.", "minutes", "Melf.", "Cullen")] == [1, 1, 2, 3]
    assert engine.pieces("80.") == 0
