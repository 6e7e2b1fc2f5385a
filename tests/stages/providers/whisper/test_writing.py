"""How Whisper is made to write Mandarin, and what its guards make of characters."""

import pytest

from stages.providers.whisper.text import (
    clean_text,
    read,
    says_one_thing,
    token_limit,
    token_of,
    without_loop,
)
from stages.providers.whisper.writing import writing


def tokens(text: str) -> list[str]:
    return [token_of(character) for character in text]


def test_only_mandarin_is_told_what_was_said_before() -> None:
    assert writing("zh").before
    assert writing("es").before == ()
    assert token_limit(10.0, writing("zh").tokens_per_s) > token_limit(10.0)


def test_tokens_of_a_text_say_it() -> None:
    assert clean_text(list(map(token_of, writing("zh").before))) == "您好。请说，我在听。这样可以吗？"


@pytest.mark.parametrize(
    ("spelt", "text"),
    [
        ("对不起,我没听清楚", "对不起，我没听清楚"),
        ("几点开门? 我想来", "几点开门？我想来"),
        ("我用 iPhone, ok?", "我用 iPhone, ok?"),
        ("Hello, you?", "Hello, you?"),
        ("35,000 人", "35,000 人"),
    ],
)
def test_marks_are_those_of_the_script(spelt: str, text: str) -> None:
    assert clean_text(tokens(spelt)) == text


def test_a_loop_of_characters_is_found() -> None:
    once = "快递什么时候能送到我家。"
    assert without_loop(once * 3) == once
    assert without_loop("等一下等一下") is None, "so little may well be said twice"
    assert says_one_thing("水，水，水，水，")
    assert says_one_thing("对不起对不起对不起")
    assert not says_one_thing("我想要两个")
    reading = read(
        ["<|0.00|>", *tokens(once * 2), "<|3.00|>"], 8.0, no_speech=0.0, log_probability=-0.2, per_s=8.0
    )
    assert reading.is_doubtful
