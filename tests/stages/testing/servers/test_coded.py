"""Words in samples come out again, however they are cut; what is lost or sent twice is heard so."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.testing.servers.coded import CodedWords, coded_speech, said

TEXT = "what time time is it"


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=12))
def test_any_cut_gives_the_same_words_at_the_same_places(lengths: list[int]) -> None:
    coded = CodedWords(TEXT)
    audio, ear, at = coded.samples(), coded.ear(), 0
    heard = []
    for length in [*lengths, len(audio)]:
        heard += ear.push(audio[at : at + length])
        at += length
    heard += ear.flush()
    assert [word.text for word in heard] == TEXT.split()
    assert [word.start_sample for word in heard] == [n * coded.word_samples for n in range(5)]


def test_what_is_lost_is_not_heard_and_what_comes_twice_is_heard_twice() -> None:
    coded = CodedWords(TEXT)
    audio, word = coded.samples(), coded.word_samples
    ear = coded.ear()
    assert [w.text for w in ear.push(np.concatenate([audio[:word], audio[2 * word :]]))] == [
        "what",
        "time",
        "is",
        "it",
    ]
    ear = coded.ear()
    assert [w.text for w in ear.push(np.concatenate([audio[:word], audio[:word]]))] == ["what", "what"]


def test_noise_is_no_word() -> None:
    ear = CodedWords(TEXT).ear()
    noise = np.random.default_rng(1).integers(-3000, 3000, 16_000).astype(np.int16)
    assert ear.push(noise) + ear.flush() == []


def test_speech_can_be_read_again() -> None:
    assert said(coded_speech("Hello, you.", rate_hz=24_000), rate_hz=24_000) == "Hello, you."
    fast = coded_speech("Hello", rate_hz=16_000, speed=1.5, voice=3)
    assert said(fast, rate_hz=16_000, speed=1.5) == "Hello"
    assert not len(coded_speech(" ... ", rate_hz=24_000))
