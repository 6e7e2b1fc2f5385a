"""When a sample is heard, and what is missing in between, to the sample: the loudspeaker has no delay of its own."""

import random
from dataclasses import asdict

import numpy as np
import pytest

from audio.formats import Samples
from server.client.load.hearing.answers import LOUD
from server.client.load.hearing.ear import UNTOLD_END_S, Ear
from server.client.load.wire import Audio, Order

RATE_HZ = 1_000  # a sample a millisecond


def loud(count: int) -> Samples:
    return np.full(count, 8_000, np.int16)


def quiet(count: int) -> Samples:
    return np.full(count, LOUD, np.int16)


def ear(**settings: float) -> Ear:
    return Ear(RATE_HZ, **settings)  # type: ignore[arg-type]


def test_an_answer_is_heard_when_its_first_sound_leaves_the_loudspeaker() -> None:
    listener = ear()
    listener.hear(Audio(quiet(30)), 1.0)
    listener.hear(Audio(loud(50)), 1.01)
    listener.advance(2.0)
    answer = listener.answers.newest
    assert answer is not None
    assert (answer.arrived_s, answer.sounded_s) == (1.0, 1.01)
    assert answer.leading_silence_ms == 30
    assert answer.heard_s == pytest.approx(1.03)
    assert answer.last_heard_s == pytest.approx(1.08)


@pytest.mark.parametrize("late_ms", [20, 40, 300])
def test_a_gap_is_as_long_as_nothing_was_heard(late_ms: int) -> None:
    listener = ear()
    listener.hear(Audio(loud(100)), 1.0)
    listener.hear(Audio(loud(100)), 1.1 + late_ms / 1000)
    listener.obey(Order.ANSWER_ENDS, 1.2)
    listener.advance(3.0)
    assert listener.answers.newest is not None
    assert listener.answers.newest.dry_ms == pytest.approx([late_ms])


def test_a_packet_in_time_makes_no_gap_nor_does_silence_in_the_audio_nor_the_end() -> None:
    listener = ear()
    listener.hear(Audio(loud(100)), 1.0)
    listener.hear(Audio(quiet(100)), 1.1)
    listener.hear(Audio(loud(100)), 1.2)
    listener.obey(Order.ITEM_ENDS, 1.25)
    listener.advance(1.6)
    listener.hear(Audio(loud(100)), 1.7)  # the next item of the same answer
    listener.obey(Order.ANSWER_ENDS, 1.7)
    listener.advance(2.5)
    assert [answer.dry_ms for answer in listener.answers] == [[]]


def test_a_prebuffer_delays_the_beginning_and_hides_the_jitter() -> None:
    listener = ear(prebuffer_ms=60)
    for number in range(5):
        listener.hear(Audio(loud(20)), 1.0 + number * 0.02 + (0.03 if number == 3 else 0))
    listener.obey(Order.ANSWER_ENDS, 1.1)
    listener.advance(2.0)
    assert listener.answers.newest is not None
    assert listener.answers.newest.heard_s == pytest.approx(1.04)
    assert listener.answers.newest.dry_ms == []


def test_a_flush_is_silence_within_its_fade_and_what_follows_is_another_answer() -> None:
    listener = ear()
    listener.hear(Audio(loud(500), "a"), 1.0)
    listener.obey(Order.FLUSH, 1.2)
    listener.hear(Audio(loud(100), "b"), 1.5)
    listener.obey(Order.ANSWER_ENDS, 1.5)
    listener.advance(2.0)
    cut, whole = listener.answers
    assert cut.flushed_s == 1.2
    assert cut.last_heard_s == pytest.approx(1.208, abs=0.002)
    assert whole.flushed_s is None
    assert whole.heard_s == pytest.approx(1.5)


def test_what_is_held_is_no_gap_and_goes_on() -> None:
    listener = ear()
    listener.hear(Audio(loud(300)), 1.0)
    listener.obey(Order.PAUSE, 1.1)
    listener.obey(Order.RESUME, 2.1)
    listener.obey(Order.ANSWER_ENDS, 2.1)
    listener.advance(3.0)
    answer = listener.answers.newest
    assert answer is not None
    assert answer.ducked_s == 1.1
    assert answer.dry_ms == []
    assert answer.last_heard_s == pytest.approx(2.3, abs=0.03)


def test_the_server_is_told_what_was_heard_and_where_it_was_cut() -> None:
    listener = ear()
    listener.hear(Audio(loud(500), "a"), 1.0)
    listener.advance(1.2)
    assert listener.report(1.2) == ("a", 200, False)
    assert listener.report(1.25) is None
    listener.obey(Order.FLUSH, 1.3)
    listener.advance(1.32)
    assert listener.report(1.32) == ("a", 308, True)
    assert listener.report(1.5) is None


def test_a_protocol_without_ends_has_ended_after_a_second_without_audio() -> None:
    listener = ear(tells_ends=False)
    listener.hear(Audio(loud(100)), 1.0)
    listener.advance(1.1 + UNTOLD_END_S / 2)
    seen = [listener.is_quiet]
    listener.advance(1.2 + UNTOLD_END_S)
    seen.append(listener.is_quiet)
    assert seen == [False, True]
    listener.hear(Audio(loud(100)), 3.0)
    assert [answer.dry_ms for answer in listener.answers] == [[], []]


@pytest.mark.no_cover
def test_no_gap_is_seen_in_a_clean_hour() -> None:
    listener = ear()
    for number in range(36_000):
        listener.hear(Audio(loud(100)), 1.0 + number * 0.1)
    listener.obey(Order.ANSWER_ENDS, 3601.0)
    assert listener.answers.newest is not None
    assert listener.answers.newest.dry_ms == []
    assert listener.overflows == 0


def test_the_end_of_what_was_heard_is_told_once() -> None:
    listener = ear()
    listener.hear(Audio(loud(100), "a"), 1.0)
    listener.obey(Order.ANSWER_ENDS, 1.0)
    listener.advance(1.12)
    assert listener.report(1.12) == ("a", 100, False)
    assert listener.report(1.14) is None
    listener.hear(Audio(loud(50), "b"), 2.0)
    listener.obey(Order.ANSWER_ENDS, 2.0)
    listener.advance(2.1)
    assert listener.report(2.1) == ("b", 50, False)


def _something_comes(chance: random.Random, item: int) -> Audio | Order:
    if chance.random() < 0.8:
        block = loud(chance.randrange(1, 90))
        block[: chance.randrange(len(block) + 1)] = 0
        return Audio(block if chance.random() < 0.5 else block[::-1], f"item_{item}")
    return chance.choice(list(Order))


def come(listener: Ear, sound: Audio | Order, now_s: float) -> None:
    if isinstance(sound, Audio):
        listener.hear(sound, now_s)
    else:
        listener.obey(sound, now_s)


def known(listener: Ear) -> list[tuple[object, ...]]:
    """All that is known of the answers, to the microsecond."""
    return [
        tuple(
            np.round(value, 6).tolist() if isinstance(value, float | list) else value
            for value in asdict(answer).values()
        )
        for answer in listener.answers
    ]


@pytest.mark.parametrize("tells_ends", [True, False])
def test_an_ear_that_rests_hears_and_tells_the_same_as_one_that_never_does(tells_ends: bool) -> None:
    for seed in range(25, 50):
        chance = random.Random(seed)
        resting, restless = ear(tells_ends=tells_ends), ear(tells_ends=tells_ends)
        for number in range(300):
            frame_s = number * 0.02
            # Now and then nothing comes for long enough to run dry, or for an answer to be over.
            if number % 100 < 75 and chance.random() < 0.6:
                sound = _something_comes(chance, number // 40)
                for listener in (resting, restless):
                    come(listener, sound, frame_s - 0.007)
            told = resting.follow(frame_s)
            restless.advance(frame_s)
            assert told == restless.report(frame_s), (seed, number)
            assert resting.is_quiet == restless.is_quiet, (seed, number)
        resting.advance(9.0)
        restless.advance(9.0)
        assert known(resting) == known(restless), seed
