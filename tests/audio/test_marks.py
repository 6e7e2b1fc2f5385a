"""Marks of words: read as they were written at every rate and loudness, and found nowhere else."""

from pathlib import Path

import numpy as np
import pytest

from audio.files import read_audio
from audio.formats import Samples
from audio.marks import MARK_MS, HeardMark, Mark, code_of, mark_of, name_of, read_marks, words_of, write_mark
from audio.resample import Resampler

SPEECH = Path(__file__).parents[1] / "data" / "speech"
WORDS = words_of("The quick, brown zimbacada says: I am a bit late! 84")
MARKS = [mark_of(word, place, is_last=word == "84", lasts_ms=140) for place, word in enumerate(WORDS)]


def sentence(rate_hz: int = 24_000) -> Samples:
    """All words, with a tone and a pause after each mark."""
    times_s = np.arange(rate_hz * 70 // 1000) / rate_hz
    tone = (np.sin(2 * np.pi * 240 * times_s) * 6_000).astype(np.int16)
    pause = np.zeros(rate_hz * 37 // 1000, np.int16)
    return np.concatenate(
        [part for mark in MARKS for part in (write_mark(mark, rate_hz, 6_000), tone, pause)]
    )


def read(samples: Samples, rate_hz: int) -> list[Mark | None]:
    return [one.mark for one in read_marks(samples, rate_hz)]


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("offset", [0, 7, 131])
@pytest.mark.parametrize("gain", [1.0, 0.05])
def test_marks_are_read_at_every_rate_place_and_loudness(rate_hz: int, offset: int, gain: float) -> None:
    resampled = Resampler(24_000, rate_hz).process(sentence(), last=True)
    moved = np.concatenate([np.zeros(offset, np.int16), resampled])
    assert read((moved * gain).astype(np.int16), rate_hz) == MARKS


def test_a_mark_begins_where_it_was_put() -> None:
    sound = np.concatenate([np.zeros(5_000, np.int16), write_mark(MARKS[0], 24_000, 6_000)])
    (heard,) = read_marks(sound, 24_000)
    assert heard.at == pytest.approx(5_000, abs=50)
    assert len(sound) - 5_000 == 24 * MARK_MS


def test_a_mark_that_is_cut_is_heard_and_not_read() -> None:
    sound = np.concatenate([write_mark(MARKS[0], 24_000, 6_000)[: 24 * 30], np.zeros(4_800, np.int16)])
    assert read_marks(sound, 24_000) == [HeardMark(0, None)]
    garbled = write_mark(MARKS[0], 24_000, 6_000)
    garbled[24 * 16 : 24 * 24] = garbled[24 * 24 : 24 * 32]
    assert read(garbled, 24_000) in ([None], [MARKS[0]])


@pytest.mark.parametrize("name", ["cards_001.wav", "cards_002.wav", "librivox_0890.wav"])
def test_nobody_who_speaks_says_a_mark(name: str) -> None:
    assert not any(read(*read_audio(SPEECH / name)))


def test_silence_and_nothing_have_no_marks() -> None:
    assert read_marks(np.zeros(0, np.int16), 24_000) == read_marks(np.zeros(24_000, np.int16), 24_000) == []


def test_a_word_is_known_by_its_letters_or_the_number_of_its_name() -> None:
    assert code_of("Hello,") == code_of("hello") != code_of("help")
    assert {code_of(name_of(number)) for number in range(4096)} == {(True, number) for number in range(4096)}
    assert code_of(name_of(17).title() + ".") == (True, 17)
    assert code_of(name_of(4113)) == (True, 17)
