"""The detector's slow gain: quiet voices are raised, loud ones and their neighbours left alone, and both forgotten."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.gain import MOST_DB, TARGET_DBFS, SlowGain

FRAME_S = 0.032


def gain_db(gain: SlowGain, dbfs: float) -> float:
    return 20 * math.log10(gain.at(dbfs))


def after(levels: list[tuple[float, bool]]) -> SlowGain:
    gain = SlowGain(FRAME_S)
    for dbfs, is_voice in levels:
        gain.heard(dbfs, is_voice=is_voice)
    return gain


def test_the_first_quiet_words_are_raised_at_once() -> None:
    assert gain_db(SlowGain(FRAME_S), -50) == pytest.approx(MOST_DB)


def test_who_speaks_at_a_good_level_is_left_alone_and_so_is_what_is_softer_beside_it() -> None:
    gain = after([(TARGET_DBFS, True)] * 20)
    assert gain_db(gain, -50) == pytest.approx(0, abs=0.1)


def test_a_quiet_voice_stays_raised_while_it_speaks() -> None:
    gain = after([(-38, True), (-45, True), (-40, False)] * 200)
    assert gain_db(gain, -45) > MOST_DB - 4


def test_a_loud_noise_teaches_nothing() -> None:
    assert gain_db(after([(-5, False)] * 50), -50) == pytest.approx(MOST_DB)


def test_who_steps_back_is_heard_again_within_a_minute_of_silence_and_not_at_the_next_pause() -> None:
    loud = [(TARGET_DBFS, True)] * 50
    assert gain_db(after([*loud, *[(-60.0, False)] * int(2 / FRAME_S)]), -50) < 1
    assert gain_db(after([*loud, *[(-60.0, False)] * int(60 / FRAME_S)]), -50) > 15


@given(st.lists(st.tuples(st.floats(-65, 0), st.booleans()), max_size=60), st.floats(-65, 0))
def test_no_frame_is_lowered_nor_raised_above_the_target(
    levels: list[tuple[float, bool]], dbfs: float
) -> None:
    raised_db = gain_db(after(levels), dbfs)
    assert -1e-6 <= raised_db <= MOST_DB + 1e-6
    assert raised_db < 1e-6 or dbfs + raised_db <= TARGET_DBFS + 1e-6
