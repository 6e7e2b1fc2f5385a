"""What a voice should say: the table by example, and what must hold for any text."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stages.text.languages import CODES
from stages.text.speakable import pieces, speakable

EXAMPLES = [
    # markup
    ("**Bold**, *soft*, `code` and ~~gone~~.", "Bold, soft, code and gone."),
    ("# Heading\n\n- item *one*\n* item two\n\n> quote", "Heading\nitem one\nitem two\nquote"),
    ("[the **menu**](https://example.com/a?b=1) is up", "the menu is up"),
    ("![a cat](cat.png)", "a cat"),
    ("```python\nx = 1\n```", "x equals one"),
    ("<b>Hi</b><br/>there", "Hi there"),
    ("Tom &amp; Jerry &eacute; &lt;", "Tom and Jerry é"),
    ("a\n---\nb", "a\nb"),
    ("| a | b |\n|---|---|\n| 1 | 2 |", "a b\none two"),
    ("snake_case", "snake case"),
    ("Hello 👋🏽 there 🎉!", "Hello there!"),
    ("Done ✅ 1️⃣", "Done one"),
    ("\u200bhidden", "hidden"),
    # addresses
    ("See https://www.example.com/path?x=1, please.", "See example dot com, please."),
    ("www.example.org/a.", "example dot org."),
    ("example.co.uk", "example dot co dot uk"),
    ("Write to bob.smith@example.com.", "Write to bob dot smith at example dot com."),
    ("http://localhost:8080/x", "localhost"),
    # numbers that are names
    ("Call +1 (555) 123-4567.", "Call plus one, five five five, one two three, four five six seven."),
    ("555-123-4567", "five five five, one two three, four five six seven"),
    ("order 1234567", "order one two three four five six seven"),
    ("agent 007", "agent zero zero seven"),
    ("version 1.2.3", "version one point two point three"),
    # numbers
    (
        "1,000,000 or 1000000 or 0.001 or 3.14",
        "one million or one million or zero point zero zero one or three point one four",
    ),
    ("$12.50 and 22nd", "twelve dollars fifty and twenty second"),
    ("2026-11-22", "November twenty second, twenty twenty six"),
    # times
    ("at 19:30", "at seven thirty PM"),
    ("at 00:15", "at twelve fifteen AM"),
    ("at 12:00", "at twelve o'clock"),
    ("6.30pm", "six thirty PM"),
    ("10:00-22:00", "ten o'clock to ten PM"),
    ("7:05 PM", "seven oh five PM"),
    # arithmetic and signs
    ("20% of 80 is 16", "twenty percent of eighty is sixteen"),
    ("12 * 7, 12 × 7, 3x4", "twelve times seven, twelve times seven, three by four"),
    ("10 / 4 - 1", "ten divided by four minus one"),
    ("2^10", "two to the power of ten"),
    ("a < b > c", "a is less than b is greater than c"),
    ("~5 ≤ 6", "about five at most six"),
    ("#1 #tag", "number one hashtag tag"),
    ("24/7 and yes/no", "twenty four seven and yes no"),
    ("5'10\"", "five foot ten"),
    # abbreviations that the voice would take for the end of a sentence
    ("Nov. 22", "November twenty second"),
    ("No. 5", "Number five"),
    ("No. Five.", "No. Five."),
    ("Mon-Fri", "Monday to Friday"),
    ("approx. 5 km/h, e.g. here", "approximately five kilometers per hour, for example here"),
]


@pytest.mark.parametrize(("shown", "spoken"), EXAMPLES)
def test_what_is_shown_is_said_so(shown: str, spoken: str) -> None:
    assert speakable(shown) == spoken


@pytest.mark.parametrize(
    "text", ["", "   ", "...", "?!", "—", "🎉🎉", "** **", "---", "\n\n", "```\n```", "(*)"]
)
def test_text_with_nothing_to_say_is_empty(text: str) -> None:
    assert speakable(text) == ""


MARKUP = set("*_`~#<>|[]{}\\^%")
FRAGMENTS = st.sampled_from(
    [shown for shown, _ in EXAMPLES]
    + ["**", "* ", "- ", "\n", " ", "12", "x", "<b", ">", "[a](", ")", "@", "."]
)
ANY_TEXT = st.text(max_size=200) | st.lists(FRAGMENTS, max_size=12).map("".join)


@given(ANY_TEXT)
def test_no_markup_is_left_of_any_text(text: str) -> None:
    spoken = speakable(text)
    assert not MARKUP & set(spoken)
    assert spoken == spoken.strip()
    assert "  " not in spoken


@pytest.mark.parametrize("code", CODES)
@example("12,345,6")
@example("5.234.1")
@given(st.text(alphabet="1234,,.. €%/-'", max_size=14))
def test_numbers_of_no_custom_are_said_all_the_same(code: str, text: str) -> None:
    assert bool(speakable(text, code)) >= any(map(str.isdigit, text))


@given(ANY_TEXT)
def test_what_is_shown_is_kept_whole_piece_by_piece(text: str) -> None:
    cut = pieces(text)
    assert "".join(piece.shown for piece in cut) == text
    assert all(piece.shown for piece in cut)


@given(st.lists(st.sampled_from([shown for shown, _ in EXAMPLES]), max_size=6).map("\n".join))
def test_what_is_said_would_be_said_the_same_again(text: str) -> None:
    assert speakable(speakable(text)) == speakable(text)


@given(st.text(alphabet="abc ,.'", max_size=100).map(str.strip))
def test_plain_words_are_left_alone(text: str) -> None:
    assert speakable(text).replace(" ", "") in (text.replace(" ", ""), "")
