"""What Whisper's tokens mean: its alphabet, its stamps, its loops, and what is doubtful."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.providers.whisper.text import (
    DOUBTFUL,
    NO_SPEECH,
    Reading,
    bare,
    read,
    text_of,
    token_limit,
    without_loop,
)


def tokens_of(text: str) -> list[str]:
    """Words with their space before them, as the vocabulary has them; stamps are tokens of their own."""
    spaced = text.replace("<|", " <|").replace("|>", "|> ").split()
    return [word if word.startswith("<|") else "Ġ" + word for word in spaced]


def filled(text: str, duration_s: float) -> list[str]:
    """`text` again and again, as many tokens as are allowed: it ran away."""
    once = tokens_of(text)
    limit = token_limit(duration_s)
    return (once * math.ceil(limit / len(once)))[:limit]


# --- text -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ([], ""),
        (["ĠGo", "Ġforward", "."], "Go forward."),
        (["<|0.00|>", "ĠGo", "<|1.20|>", "<|1.20|>", "Ġon", "<|2.00|>", "<|endoftext|>"], "Go on"),
        (["Ġcaf", "Ã©"], "café"),
        (["Ġ", "ðŁ", "İ", "ī"], "🎉"),
        (["ĠÂ", "£", "5"], "£5"),
        (["Ġcaf", "Ã"], "caf\ufffd"),  # cut by the limit in the middle of a letter
        (["Ġtwo", "Ċ", "Ċlines"], "two\n\nlines"),
    ],
)
def test_tokens_become_text(tokens: list[str], text: str) -> None:
    assert text_of(tokens) == text


@given(st.text(max_size=50))
def test_any_text_in_the_alphabet_is_read_back(text: str) -> None:
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    letters = {byte: chr(byte) for byte in plain} | {byte: chr(256 + n) for n, byte in enumerate(others)}
    token = "".join(letters[byte] for byte in text.encode("utf-8", "replace"))
    if not (token.startswith("<|") and token.endswith("|>")):
        assert text_of([token]) == text.encode("utf-8", "replace").decode().strip()


@pytest.mark.parametrize(
    ("word", "same"), [("It's", "it's"), ("Straße!", "strasse"), ("(Well,", "well"), ("...", "")]
)
def test_case_and_punctuation_do_not_tell_words_apart(word: str, same: str) -> None:
    assert bare(word) == same


# --- a hypothesis that ended ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "is_doubtful"),
    [("No, no, no.", True), ("five five five", True), ("Very very very very good", False), ("", False)],
)
def test_of_what_ended_nothing_is_taken_out(text: str, is_doubtful: bool) -> None:
    reading = read(tokens_of(text), 3.0, no_speech=0.1, log_probability=-0.3)
    assert replace(reading, ran_away=False) == Reading(text, 0.1, -0.3, len(tokens_of(text)))
    assert reading.is_doubtful == is_doubtful


@pytest.mark.parametrize(("no_speech", "text"), [(NO_SPEECH, "you"), (NO_SPEECH + 0.01, "")])
def test_what_is_probably_no_speech_is_no_text(no_speech: float, text: str) -> None:
    assert read(tokens_of("you"), 1.0, no_speech=no_speech, log_probability=-0.1).text == text


def test_what_is_improbable_is_doubtful() -> None:
    tokens = tokens_of("old-sposed")
    assert not read(tokens, 2.0, no_speech=0.1, log_probability=DOUBTFUL).is_doubtful
    assert read(tokens, 2.0, no_speech=0.1, log_probability=DOUBTFUL - 0.01).is_doubtful


@pytest.mark.parametrize(
    ("written", "is_doubtful"),
    [
        ("<|0.00|> He might. <|5.00|>", False),  # rounded up
        ("<|0.00|> He might. <|2.00|><|2.00|> He did. <|5.00|>", False),
        ("<|0.00|> He might. <|5.00|><|5.00|> He might. <|10.00|>", True),
        ("<|0.00|> He might. He might. <|23.88|>", True),
        ("He might.", False),
    ],
)
def test_words_after_the_end_of_the_audio_are_doubtful(written: str, is_doubtful: bool) -> None:
    reading = read(tokens_of(written), 3.8, no_speech=0.1, log_probability=-0.3)
    assert reading.is_doubtful == is_doubtful
    assert reading.text.startswith("He might.")


def test_what_is_said_twice_is_doubtful_and_kept() -> None:
    twice = tokens_of("<|0.00|> It is 3 24 PM <|1.00|><|1.00|> It is 3 24 PM <|2.00|>")
    reading = read(twice, 4.0, no_speech=0.1, log_probability=-0.3)
    assert len(twice) < token_limit(4.0), "it has ended by itself"
    assert reading.is_doubtful
    assert reading.text == "It is 3 24 PM It is 3 24 PM"


# --- a hypothesis that ran away ---------------------------------------------------------------------------


@pytest.mark.parametrize("duration_s", [0.5, 2.0, 5.0])
def test_what_begins_again_is_kept_once(duration_s: float) -> None:
    reading = read(
        filled("Go forward 10 meters.", duration_s), duration_s, no_speech=0.1, log_probability=-0.2
    )
    assert reading.text == "Go forward 10 meters."
    assert not reading.is_doubtful


def test_what_comes_after_the_stamp_of_the_end_is_left_out() -> None:
    tokens = tokens_of("<|0.00|> Seven of clubs. <|1.50|><|1.50|> And then")
    tokens += ["Ġso"] * (token_limit(1.5) - len(tokens))
    reading = read(tokens, 1.5, no_speech=0.1, log_probability=-0.2)
    assert reading.text == "Seven of clubs."
    assert not reading.ran_away


def test_a_stamp_in_the_middle_is_not_the_end() -> None:
    once = "<|0.00|> Seven of clubs. <|1.50|><|1.50|> Four of hearts. <|4.80|>"
    reading = read(filled(once, 5.0), 5.0, no_speech=0.1, log_probability=-0.2)
    assert reading.text == "Seven of clubs. Four of hearts."


def test_a_stamp_that_begins_a_segment_ends_nothing() -> None:
    tokens = tokens_of("<|0.00|> Seven <|1.00|><|1.60|> and")
    tokens += ["Ġso"] * (token_limit(2.0) - len(tokens))
    assert read(tokens, 2.0, no_speech=0.1, log_probability=-0.2).text == "Seven and so"


def test_a_loop_that_is_not_of_the_beginning_is_squeezed_and_doubtful() -> None:
    tokens = tokens_of("Front right")
    tokens += ["Ġagain"] * (token_limit(4.0) - len(tokens))
    reading = read(tokens, 4.0, no_speech=0.1, log_probability=-0.2)
    assert reading.text == "Front right again"
    assert reading.ran_away
    assert reading.is_doubtful


@pytest.mark.parametrize(
    ("text", "first_pass"),
    [
        ("one two three one two three", "one two three"),
        ("One two three. one, two thr", "One two three."),
        ("one two three four one two", "one two three four"),
        ("one two one two one two", "one two one two"),  # two words may well be said twice
        ("see you soon bye see you soon bye bye see", None),  # it went astray, so nobody knows what was said
        ("one two three four", None),
        ("one two three one two four", None),
        ("", None),
    ],
)
def test_where_a_text_begins_again(text: str, first_pass: str | None) -> None:
    assert without_loop(text) == first_pass


@given(
    st.lists(st.sampled_from(["Ġa", "Ġb", "<|0.00|>", "<|2.00|>", "<|endoftext|>", "Ã"]), max_size=60),
    st.floats(0, 10),
)
def test_any_tokens_are_read(tokens: list[str], duration_s: float) -> None:
    reading = read(tokens, duration_s, no_speech=0.0, log_probability=-0.1)
    assert reading.tokens == len(tokens)
    assert "<|" not in reading.text
    assert reading.is_doubtful == reading.ran_away


# --- two tries --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "better"),
    [
        (Reading("a", log_probability=-1.2), Reading("b", log_probability=-0.9), "b"),
        (Reading("a", log_probability=-0.9), Reading("b", log_probability=-1.2), "a"),
        (Reading("a", log_probability=-0.2, ran_away=True), Reading("b", log_probability=-1.5), "b"),
        (Reading("a"), Reading("b"), "a"),
    ],
)
def test_the_better_of_two_ended_or_is_more_probable(one: Reading, other: Reading, better: str) -> None:
    assert one.better_of(other).text == better


@pytest.mark.parametrize(
    ("text", "is_doubtful"),
    [
        ("4, 4, 4,", True),
        ("Wednesday. Wednesday. Wednesday.", True),
        ("one two one two one two", True),
        ("no, no", False),
        ("one two one two", False),
        ("no, no, no, thanks", False),
    ],
)
def test_one_word_or_two_said_three_times_are_read_again(text: str, is_doubtful: bool) -> None:
    whole = read(tokens_of(text), 20.0, no_speech=0.1, log_probability=-0.3)
    assert (whole.text, whole.ran_away) == (text, is_doubtful)


def test_a_word_that_fills_the_limit_is_read_again() -> None:
    stamped = tokens_of("<|0.00|>nine... nine... nine...<|1.20|>")
    reading = read([*stamped, *filled("<|1.20|>nine...", 1.2)], 1.2, no_speech=0.1, log_probability=-0.5)
    assert (reading.text, reading.ran_away) == ("nine... nine... nine...", True)
