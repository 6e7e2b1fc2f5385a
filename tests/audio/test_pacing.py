"""The pacer's arithmetic, in literal seconds, and what holds for any history."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.pacing import LEAD_MS_LIMITS, Pacer

RATE_HZ = 24_000


def test_before_anything_is_sent_there_is_room_for_the_lead() -> None:
    pacer = Pacer(RATE_HZ)
    assert pacer.room_samples(now=100.0) == 9_600
    assert pacer.next_due(now=100.0) is None
    assert pacer.heard_samples(now=100.0) == 0
    assert pacer.finished_at() is None


def test_a_full_lead_waits_until_some_of_it_is_played() -> None:
    pacer = Pacer(RATE_HZ, lead_ms=400)
    pacer.sent(9_600, now=1.0)
    assert pacer.room_samples(now=1.0) == 0
    assert pacer.next_due(now=1.0, samples=480) == pytest.approx(1.02)
    assert pacer.next_due(now=1.02, samples=480) is None
    assert pacer.room_samples(now=1.02) == 480
    assert pacer.heard_samples(now=1.02) == 480
    assert pacer.finished_at() == pytest.approx(1.4)


def test_a_chunk_longer_than_the_lead_waits_for_an_empty_buffer() -> None:
    pacer = Pacer(RATE_HZ, lead_ms=400)
    pacer.sent(4_800, now=1.0)
    assert pacer.next_due(now=1.0, samples=50_000) == pytest.approx(1.2)
    assert pacer.next_due(now=1.2, samples=50_000) is None


def test_an_underrun_moves_the_rest_back() -> None:
    pacer = Pacer(RATE_HZ)
    pacer.sent(2_400, now=1.0)
    assert pacer.heard_samples(now=1.5) == 2_400
    pacer.sent(2_400, now=2.0)
    assert pacer.heard_samples(now=2.05) == 2_400 + 1_200
    assert pacer.finished_at() == pytest.approx(2.1)


def test_what_follows_in_time_joins_on() -> None:
    pacer = Pacer(RATE_HZ)
    pacer.sent(2_400, now=1.0)
    pacer.sent(2_400, now=1.05)
    assert pacer.sent_samples == 4_800
    assert pacer.finished_at() == pytest.approx(1.2)


def test_held_playout_goes_on_with_the_next_sample() -> None:
    pacer = Pacer(RATE_HZ, lead_ms=400)
    pacer.sent(9_600, now=1.0)
    pacer.pause(now=1.1)
    assert pacer.is_paused
    assert pacer.heard_samples(now=5.0) == 2_400
    assert pacer.next_due(now=5.0, samples=4_800) == pacer.finished_at() == math.inf
    pacer.resume(now=5.0)
    assert pacer.heard_samples(now=5.1) == 4_800
    assert pacer.finished_at() == pytest.approx(5.3)


def test_what_is_sent_while_playout_is_held_is_played_afterwards() -> None:
    pacer = Pacer(RATE_HZ)
    pacer.pause(now=1.0)
    pacer.sent(2_400, now=3.0)
    assert pacer.heard_samples(now=4.0) == 0
    pacer.resume(now=4.0)
    assert pacer.heard_samples(now=4.05) == 1_200
    assert pacer.finished_at() == pytest.approx(4.1)


def test_all_that_was_played_before_it_was_held_is_finished() -> None:
    pacer = Pacer(RATE_HZ)
    pacer.sent(2_400, now=1.0)
    pacer.pause(now=2.0)
    assert pacer.finished_at() == pytest.approx(1.1)


@pytest.mark.parametrize(("played", "finished_at"), [(0, 2.4), (4_800, 2.2), (9_600, 2.0), (99_999, 2.0)])
def test_the_clients_own_position_replaces_the_estimate(played: int, finished_at: float) -> None:
    pacer = Pacer(RATE_HZ)
    pacer.sent(9_600, now=1.0)
    pacer.played(played, now=2.0)
    assert pacer.heard_samples(now=2.0) == min(played, 9_600)
    assert pacer.sent_samples == 9_600
    assert pacer.finished_at() == pytest.approx(finished_at)


def test_reset_forgets_everything() -> None:
    pacer = Pacer(RATE_HZ)
    pacer.sent(9_600, now=1.0)
    pacer.reset()
    assert pacer.room_samples(now=1.1) == 9_600
    assert pacer.sent_samples == pacer.heard_samples(now=1.1) == 0
    assert pacer.finished_at() is None


@pytest.mark.parametrize(("lead_ms", "room"), [(50, 4_800), (300, 7_200), (9_000, 120_000)])
def test_the_lead_keeps_within_its_limits(lead_ms: int, room: int) -> None:
    pacer = Pacer(RATE_HZ, lead_ms=lead_ms)
    assert pacer.room_samples(now=0.0) == room
    pacer.set_lead_ms(LEAD_MS_LIMITS[0])
    assert pacer.room_samples(now=0.0) == 4_800


def test_a_shorter_lead_just_waits_longer() -> None:
    pacer = Pacer(RATE_HZ, lead_ms=1_000)
    pacer.sent(24_000, now=5.0)
    pacer.set_lead_ms(200)
    assert pacer.room_samples(now=5.0) == 0
    assert pacer.next_due(now=5.0) == pytest.approx(5.8, abs=1e-4)


steps = st.lists(st.tuples(st.floats(0, 0.7), st.integers(1, 20_000)), max_size=40)


@given(
    steps=steps,
    start=st.floats(0, 1e7),
    rate_hz=st.sampled_from([8_000, 24_000, 48_000]),
    lead=st.integers(200, 1500),
)
def test_never_more_than_the_lead_is_out_and_hearing_never_goes_back(
    steps: list[tuple[float, int]], start: float, rate_hz: int, lead: int
) -> None:
    pacer = Pacer(rate_hz, lead)
    now, heard = start, 0
    for wait_s, wanted in steps:
        now += wait_s
        due = pacer.next_due(now, wanted)
        room = pacer.room_samples(now)
        assert (due is None) == (room >= min(wanted, lead * rate_hz // 1000))
        if due is not None:
            assert due > now
            assert pacer.next_due(due, wanted) is None, "at the moment it names there is room"
        pacer.sent(min(wanted, room), now)
        assert heard <= pacer.heard_samples(now) <= pacer.sent_samples
        heard = pacer.heard_samples(now)
        assert pacer.sent_samples - heard <= lead * rate_hz // 1000
    finished = pacer.finished_at()
    assert finished is None or pacer.heard_samples(max(now, finished)) == pacer.sent_samples
