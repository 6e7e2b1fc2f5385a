"""What a sound made during an answer is taken for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.turntaking.interruption import (
    BACKCHANNELS,
    TAKE_THE_FLOOR,
    InterruptionPolicy,
    OverlapEvidence,
    OverlapVerdict,
    judge,
)

POLICY = InterruptionPolicy()
ANSWER = "Your table for four people is booked for eight tonight. Shall I send you a reminder?"


@pytest.mark.parametrize(
    ("lasted_ms", "verdict"),
    [
        (100, OverlapVerdict.WAIT),
        (300, OverlapVerdict.HOLD),
        (799, OverlapVerdict.HOLD),
        (800, OverlapVerdict.TRANSCRIBE),
        (1600, OverlapVerdict.INTERRUPT),
    ],
)
def test_voice_alone_is_judged_by_how_long_it_lasts(lasted_ms: int, verdict: OverlapVerdict) -> None:
    assert judge(OverlapEvidence(lasted_ms), POLICY, ANSWER) is verdict


def test_a_sound_that_was_read_and_has_no_words_is_noise_however_long_it_lasts() -> None:
    assert judge(OverlapEvidence(1700, "", transcribed_ms=900), POLICY, ANSWER) is OverlapVerdict.TRANSCRIBE
    assert judge(OverlapEvidence(1700, "", transcribed_ms=1000), POLICY, ANSWER) is OverlapVerdict.HOLD
    assert judge(OverlapEvidence(9000, "", transcribed_ms=1000), POLICY, ANSWER) is OverlapVerdict.TRANSCRIBE


def test_two_words_of_the_agents_may_become_an_echo_and_may_be_a_question() -> None:
    assert judge(OverlapEvidence(400, "eight tonight"), POLICY, ANSWER) is OverlapVerdict.HOLD
    assert (
        judge(OverlapEvidence(400, "eight tonight", is_over=True), POLICY, ANSWER) is OverlapVerdict.INTERRUPT
    )


@pytest.mark.parametrize("command", TAKE_THE_FLOOR)
def test_a_command_takes_the_floor_at_once(command: str) -> None:
    assert (
        judge(OverlapEvidence(150, f"{command.title()}, please."), POLICY, ANSWER) is OverlapVerdict.INTERRUPT
    )


@pytest.mark.parametrize("text", ["Mhm.", "Okay, right.", "Uh-huh, yeah.", "I see.", "Got it."])
def test_a_backchannel_never_takes_the_floor(text: str) -> None:
    assert judge(OverlapEvidence(200, text), POLICY, ANSWER) is OverlapVerdict.WAIT
    assert judge(OverlapEvidence(2000, text), POLICY, ANSWER) is OverlapVerdict.HOLD
    assert judge(OverlapEvidence(2000, text, is_over=True), POLICY, ANSWER) is OverlapVerdict.DISMISS


def test_words_take_the_floor_even_after_a_backchannel() -> None:
    assert judge(OverlapEvidence(400, "Okay, but tomorrow"), POLICY, ANSWER) is OverlapVerdict.INTERRUPT


def test_as_many_words_are_asked_for_as_configured() -> None:
    policy = InterruptionPolicy(min_words=3)
    assert judge(OverlapEvidence(5000), policy, ANSWER) is OverlapVerdict.TRANSCRIBE
    assert judge(OverlapEvidence(5000, "make it"), policy, ANSWER) is OverlapVerdict.HOLD
    assert judge(OverlapEvidence(5000, "make it five"), policy, ANSWER) is OverlapVerdict.INTERRUPT


def test_a_sound_without_words_is_dismissed_once_it_was_read() -> None:
    assert judge(OverlapEvidence(700, "", is_over=True), POLICY, ANSWER) is OverlapVerdict.DISMISS


@pytest.mark.parametrize(
    "text", ["table for four people", "is booked for eight to night", "send you a reminder"]
)
def test_the_agents_own_words_are_an_echo(text: str) -> None:
    assert judge(OverlapEvidence(1500, text), POLICY, ANSWER) is OverlapVerdict.HOLD
    assert judge(OverlapEvidence(1500, text, is_over=True), POLICY, ANSWER) is OverlapVerdict.DISMISS


@pytest.mark.parametrize("text", ["nine tonight", "table for six people please", "a reminder would be wrong"])
def test_the_persons_words_are_none(text: str) -> None:
    assert judge(OverlapEvidence(1500, text), POLICY, ANSWER) is OverlapVerdict.INTERRUPT


@given(
    st.integers(0, 3000),
    st.integers(0, 3000),
    st.lists(st.sampled_from([*BACKCHANNELS, "tomorrow", "stop"]), max_size=4).map(" ".join),
)
def test_more_of_a_sound_is_never_less_of_an_interruption(first_ms: int, more_ms: int, text: str) -> None:
    order = [
        OverlapVerdict.DISMISS,
        OverlapVerdict.WAIT,
        OverlapVerdict.HOLD,
        OverlapVerdict.TRANSCRIBE,
        OverlapVerdict.INTERRUPT,
    ]
    before = judge(OverlapEvidence(first_ms, text), POLICY, ANSWER)
    after = judge(OverlapEvidence(first_ms + more_ms, text), POLICY, ANSWER)
    assert order.index(after) >= order.index(before)
