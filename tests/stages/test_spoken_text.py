"""Displayed text finds its audio, whatever the voice tells of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import UnspeakableText
from stages.ports import Speech, WordTime
from stages.spoken_text import CHAR_S, SpokenText

RATE_HZ = 1000


def audio(samples: int, *words: tuple[str, int, int], begins: int | None = None) -> Speech:
    return Speech(np.ones(samples, np.int16), tuple(WordTime(*word) for word in words), begins)


def told(text: SpokenText, *speeches: Speech) -> list[tuple[int, str, list[tuple[str, int, int]]]]:
    return [
        (len(stretch.samples), stretch.text, [(w.text, w.start_sample, w.end_sample) for w in stretch.words])
        for speech in speeches
        for stretch in text.take(speech)
    ]


def test_a_voice_that_counts_characters() -> None:
    text = SpokenText(RATE_HZ)
    assert text.push("Yes.") == "Yes."
    text.push(" It is four.")
    assert told(text, audio(300, begins=0), audio(100), audio(500, begins=4)) == [
        (300, "Yes.", []),
        (100, "", []),
        (500, " It is four.", []),
    ]


def test_a_chunk_with_the_end_of_one_piece_and_the_beginning_of_the_next_is_cut_where_the_word_begins() -> (
    None
):
    text = SpokenText(RATE_HZ)
    text.push("Yes.")
    text.push(" It is four.")
    first = audio(300, ("Yes.", 0, 200), ("It", 250, 290))
    assert told(text, first, audio(400, ("is", 300, 400), ("four.", 400, 690))) == [
        (250, "Yes.", [("Yes.", 0, 200)]),
        (50, " It is four.", [(" It", 0, 40)]),
        (400, "", [(" is", 50, 150), (" four.", 150, 440)]),
    ]


def test_a_voice_that_tells_words_of_two_pieces_as_one_shows_the_next_piece_all_the_same() -> None:
    text = SpokenText(RATE_HZ)
    text.push("Yes.")
    text.push(" It is four.")
    speeches = audio(300, ("Yes. It", 0, 290)), audio(400, ("is", 300, 400), ("four.", 400, 690))
    assert [shown for _, shown, _ in told(text, *speeches)] == ["Yes.", "", " It is four."]
    assert text.rest() == ""


def test_a_voice_that_tells_nothing_is_taken_to_speak_at_an_ordinary_pace() -> None:
    text = SpokenText(RATE_HZ)
    text.push("Yes.")
    text.push(" It is four.")
    pace = round(len("Yes.") * CHAR_S * RATE_HZ)
    speeches = [audio(pace - 1), audio(1), audio(500)]
    assert told(text, *speeches) == [(pace - 1, "Yes.", []), (1, "", []), (500, " It is four.", [])]


def test_what_has_nothing_to_say_is_shown_with_what_has() -> None:
    text = SpokenText(RATE_HZ)
    assert text.push("\U0001f389") == ""
    text.push(" Done.")
    assert told(text, audio(10, begins=0)) == [(10, "\U0001f389 Done.", [])]
    text.push(" \U0001f389")
    assert text.rest() == " \U0001f389"


@given(
    st.lists(
        st.sampled_from(["Yes.", " It is four.", " \U0001f389", " On the 5th of May.", " 50% off!"]),
        max_size=6,
    ),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2)), max_size=12),
    st.sampled_from(["nothing", "words", "begins"]),
)
def test_no_text_and_no_audio_is_lost_or_doubled(
    pieces: list[str], cuts: list[tuple[int, int]], tells: str
) -> None:
    text = SpokenText(RATE_HZ)
    spoken = "".join(text.push(piece) for piece in pieces)
    words, at, chars, shown, samples = spoken.split(), 0, 0, "", 0
    for length, count in cuts:
        now, words = words[:count], words[count:]
        times = [(word, at, at + length) for word in now] if tells == "words" else []
        begins = min(chars, len(spoken)) if tells == "begins" else None
        for stretch in text.take(audio(length, *times, begins=begins)):
            shown += stretch.text
            samples += len(stretch.samples)
        at += length
        chars += 3
    assert shown + text.rest() == "".join(pieces)
    assert samples == at == text.samples


@pytest.mark.parametrize(
    ("pieces", "spoken"),
    [
        (("It costs $4.5.",), "It costs four dollars fifty."),
        (("Das kostet 4,50 €.",), "Das kostet vier Euro fünfzig."),
        (("Genau, das ist es. ", "4,50 €."), "Genau, das ist es. vier Euro fünfzig."),
        (("Cuesta 5 € en la tienda.",), "Cuesta cinco euros en la tienda."),
        (("C'est 5 € pour vous.",), "C'est cinq euros pour vous."),
        (("Это стоит 5 €.",), "Это стоит 5 €."),
        (("Dat kost **5%**.",), "Dat kost 5%."),
        (("Привет.", " 5%"), "Привет. 5%"),
    ],
)
def test_a_voice_of_many_languages_is_given_the_numbers_of_the_text_s_language(
    pieces: tuple[str, ...], spoken: str
) -> None:
    text = SpokenText(24_000, language=None, any_script=True)
    assert "".join(map(text.push, pieces)) == spoken


def test_a_voice_that_tells_of_several_characters_at_once_brings_each_of_them() -> None:
    text = SpokenText(RATE_HZ, language=None, any_script=True)
    text.push("您好，")
    text.push("请坐。")
    found = told(text, audio(400, ("您好，", 0, 300)), audio(400, ("请", 400, 500), ("坐。", 500, 700)))
    assert [word for _, _, words in found for word in words] == [
        ("您", 0, 128),
        ("好，", 128, 300),
        ("请", 0, 100),
        ("坐。", 100, 300),
    ]
    assert [shown for _, shown, _ in found if shown] == ["您好，", "请坐。"]


def test_a_character_takes_as_long_as_three_letters() -> None:
    text = SpokenText(RATE_HZ, language=None, any_script=True)
    text.push("好的。")
    text.push("请坐。")
    pace = round(len("xxxyyy.") * CHAR_S * RATE_HZ)
    speeches = [audio(pace - 1), audio(1), audio(500)]
    assert told(text, *speeches) == [(pace - 1, "好的。", []), (1, "", []), (500, "请坐。", [])]
    assert text.char_s == pytest.approx(CHAR_S * 15 / 7)


@pytest.mark.parametrize(
    ("language", "shown", "spoken"),
    [
        ("en", "🎉🎉", "party popper"),
        ("en", "🤷‍♂️", "shrug"),
        ("es", "👍 🎉", "pulgar arriba, una fiesta"),
        ("fr", "😊", "un sourire"),
        ("de-AT", "🇩🇪 ❤️", "eine Flagge, ein Herz"),
        ("it", "🦄", "un emoji"),
        ("en", "½", "one half"),
        ("de", "①", "eins"),
    ],
)
def test_what_is_emoji_or_signs_alone_is_named_in_the_answer_s_language(
    language: str, shown: str, spoken: str
) -> None:
    text = SpokenText(RATE_HZ, language=language)
    assert text.push(shown) + text.finish() == spoken


@pytest.mark.parametrize(
    "shown", ["...", "—", "$$$", "こんにちは", "Привет!", "¯\\_(ツ)_/¯", "```\n```", ":)"]
)
def test_what_holds_no_word_for_the_voice_is_a_failure(shown: str) -> None:
    text = SpokenText(RATE_HZ)
    assert text.push(shown) == ""
    with pytest.raises(UnspeakableText):
        text.finish()
