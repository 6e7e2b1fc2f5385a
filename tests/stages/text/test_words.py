"""Where words end in scripts with and without spaces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.text.words import count_words, is_unspaced, join_words, split_words, spoken_size, stretches

MIXED = st.text(alphabet="ab 好的我，。？,.!“”（）1%\n\tカ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Yes, we are open.", ["Yes,", "we", "are", "open."]),
        ("你好，我是小王。", ["你", "好，", "我", "是", "小", "王。"]),
        ("我用iPhone，你呢？", ["我", "用", "iPhone，", "你", "呢？"]),
        ("共50%的“人”", ["共", "50%", "的", "“人”"]),
        ("好 的", ["好", "的"]),
        ("（对）！", ["（对）！"]),
        ("はい、カフェ", ["は", "い、", "カ", "フ", "ェ"]),
        ("", []),
    ],
)
def test_words_end_at_spaces_or_with_each_character(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@given(MIXED)
def test_stretches_are_the_text(text: str) -> None:
    assert "".join(stretches(text)) == text


@given(MIXED)
def test_without_such_characters_words_are_what_stands_between_spaces(text: str) -> None:
    if not is_unspaced(text):
        assert split_words(text) == text.split()
        assert join_words(text.split()) == " ".join(text.split()) or not text.isascii()


@pytest.mark.parametrize(
    "text", ["You are here.", "你好，我是小王。", "我用iPhone，你呢？", "“好的，”他说。", "对,我知道"]
)
def test_words_are_put_together_as_their_script_has_it(text: str) -> None:
    assert join_words(split_words(text)) == text


def test_a_character_is_counted_as_part_of_a_word_and_takes_as_long_as_three_letters() -> None:
    assert count_words("one two three") == 3
    assert count_words("我想要一张四人桌") == 5
    assert spoken_size("two") == 3
    assert spoken_size("两个") == 6
