"""Which language a text seems to be in."""

import pytest

from stages.text.guess import guess_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The table is for you.", "en"),
        ("La mesa es para dos.", "es"),
        ("您的四人桌已经订好了。", "zh"),
        ("我用 the new iPhone 打电话", "zh"),
        ("好的, the table is for you and it is free", "en"),
        ("今日はいい天気ですね", None),  # Japanese
        ("42.", None),
    ],
)
def test_words_and_characters_tell(text: str, language: str | None) -> None:
    assert guess_language(text) == language
