"""Stretches to read, and readings that still hold: on made sounds, whose speech and quiet are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.formats import SPEECH_HZ, Samples
from stages.providers.whisper.segments import (
    LONGEST_SAMPLES,
    Segment,
    is_whole,
    next_stretch,
    segment_end,
    still_valid,
)
from stages.providers.whisper.text import Reading
from tests.support.audio_maker import clip, mix, pink_noise, silence, voice, white_noise

MS = SPEECH_HZ // 1000


def read_all(samples: Samples) -> list[Segment]:
    """Every stretch, read as its own number."""
    segments: list[Segment] = []
    while not is_whole(segments, samples):
        start = segments[-1].stretch.end_sample if segments else 0
        segments.append(Segment(next_stretch(samples, start), Reading(str(len(segments)))))
    return segments


def kept(before: Samples, after: Samples) -> int:
    """How many readings of `before` hold when the utterance has become `after`."""
    return len(still_valid(read_all(before), after))


def after(*parts: Samples) -> Samples:
    return np.concatenate(parts)


# --- what is read in one piece -----------------------------------------------------------------------------


def test_silence_around_the_speech_is_left_out_but_for_a_margin() -> None:
    stretch = next_stretch(after(silence(1000), voice(1000), silence(1000)), 0)
    assert stretch.end_sample == 3000 * MS
    assert stretch.heard_from == pytest.approx(700 * MS, abs=20 * MS)
    assert stretch.heard_to == pytest.approx(2300 * MS, abs=20 * MS)


@pytest.mark.parametrize("samples", [silence(0), silence(1000)])
def test_of_silence_nothing_is_read(samples: Samples) -> None:
    stretch = next_stretch(samples, 0)
    assert stretch.heard_from == stretch.heard_to


def test_what_is_not_longer_than_15_s_is_one_piece() -> None:
    assert segment_end(voice(15_000), 0) == LONGEST_SAMPLES
    assert len(read_all(voice(15_000))) == 1


def test_what_is_longer_is_cut_in_a_pause() -> None:
    samples = after(voice(11_000), silence(300), voice(12_000), silence(300), voice(3000))
    ends = [segment.stretch.end_sample // MS for segment in read_all(samples)]
    assert len(ends) == 3
    assert ends[0] in range(11_000, 11_300)
    assert ends[1] in range(23_300, 23_600)
    assert ends[2] == 26_600


@given(st.integers(15_001, 50_000), st.integers(0, 1000))
@settings(max_examples=15, derandomize=True)
def test_pieces_lie_end_to_end_and_none_is_too_long(ms: int, seed: int) -> None:
    samples = white_noise(ms, -30, seed)
    segments = read_all(samples)
    start = 0
    for segment in segments:
        assert 0 < segment.stretch.end_sample - start <= LONGEST_SAMPLES
        start = segment.stretch.end_sample
    assert start == len(samples)


# --- what still holds --------------------------------------------------------------------------------------

SPOKEN = after(silence(200), voice(1500), silence(100))


@pytest.mark.parametrize(
    "more", [silence(0), silence(20), silence(400), silence(5000), white_noise(400, -60)]
)
def test_a_reading_holds_when_only_quiet_was_added(more: Samples) -> None:
    utterance = after(SPOKEN, more)
    (segment,) = still_valid(read_all(SPOKEN), utterance)
    assert segment.reading.text == "0"
    assert is_whole([segment], utterance)


@pytest.mark.parametrize("more", [voice(100), after(silence(300), voice(100, -36)), white_noise(400, -35)])
def test_a_reading_does_not_hold_when_something_else_was_added(more: Samples) -> None:
    assert kept(SPOKEN, after(SPOKEN, more)) == 0


def test_it_holds_in_a_noisy_room_where_nothing_rises_from_the_noise() -> None:
    room = pink_noise(4000, -45)
    utterance = mix(after(silence(500), voice(1500), silence(500), voice(100, -30), silence(500)), room)
    read_at = 2200 * MS
    assert kept(utterance[:read_at], utterance[: 2500 * MS]) == 1
    assert kept(utterance[:read_at], utterance) == 0


def test_a_soft_word_counts_though_no_pause_has_told_how_loud_the_room_is() -> None:
    talked = after(voice(1500), silence(80))
    assert kept(talked, after(talked, silence(300))) == 1
    assert kept(talked, after(talked, silence(200), voice(100, -38))) == 0


def test_a_reading_that_was_cut_off_in_a_word_does_not_hold() -> None:
    assert kept(voice(1500), after(voice(1500), silence(500))) == 0


def test_a_reading_of_silence_holds_until_something_is_said() -> None:
    assert kept(silence(300), silence(900)) == 1
    assert kept(silence(0), silence(900)) == 1
    assert kept(silence(300), after(silence(900), voice(200))) == 0


def test_quiet_that_is_added_bit_by_bit_is_still_measured_from_the_end_of_the_speech() -> None:
    segments = read_all(SPOKEN)
    utterance = SPOKEN
    for level in (-60, -60, -20):
        utterance = after(utterance, white_noise(200, level))
        segments = still_valid(segments, utterance)
    assert segments == []


def test_of_a_long_utterance_all_but_the_end_holds_whatever_is_added() -> None:
    speech = clip("two_cities").read()
    for seconds in (20, 30, 44):
        before = read_all(speech[: seconds * SPEECH_HZ])
        assert still_valid(before, speech)[: len(before) - 1] == before[:-1]
        assert len(before) >= seconds // 15 + 1


def test_a_piece_that_was_cut_shorter_is_read_again() -> None:
    before = after(voice(10_000), silence(300), voice(4000))
    assert len(read_all(before)) == 1
    assert kept(before, after(before, voice(4000))) == 0


def test_less_than_was_read_is_read_again() -> None:
    assert kept(SPOKEN, SPOKEN[: 1000 * MS]) == 0
