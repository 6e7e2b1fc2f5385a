"""How long to wait for the end of a turn: the looks of texts by example, the table, and what always holds."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.turntaking.endpointing import (
    EAGERNESS,
    PROBABILITIES,
    SHARES,
    Look,
    PauseEvidence,
    PauseLimits,
    Pauses,
    is_read_out,
    look_of,
    silence_ms,
)
from stages.errors import StageSettingsError
from stages.ports import Expects

LIMITS = PauseLimits(300, 1_300)
"""So that a share is a number of milliseconds."""

FREE, YES_NO, NUMBER, PHONE, EMAIL = Expects


# --- the look of a text ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "look"),
    [
        (None, Look.UNKNOWN),
        ("", Look.UNKNOWN),
        (" … ", Look.UNKNOWN),
        ("I'd like a table for two.", Look.ENDED),
        ("What time is it?", Look.ENDED),
        ("Stop!", Look.ENDED),
        ("go forward ten meters", Look.OPEN),
        ("I need it by 5", Look.OPEN),
        ("Well,", Look.COMMA),
        ("My number is.", Look.TRAILING),
        ("Sure, the code is", Look.TRAILING),
        ("What do you think the code is?", Look.ENDED),
        ("I know what it is.", Look.ENDED),
        ("Zero, seven, seven.", Look.SPELLING),
        ("It's 4, 1, 5.", Look.SPELLING),
        ("At 2, 30 or 45.", Look.ENDED),
        ("I would like to come tomorrow,", Look.COMMA),
        ("I would like to come and,", Look.TRAILING),
        ("It's two, nine,", Look.TRAILING),
        ("That is spelled s, m,", Look.TRAILING),
        ("The time will be...", Look.TRAILING),
        ("I'd like a table for the", Look.TRAILING),
        ("I'd like a table for the.", Look.TRAILING),
        ("On Monday and", Look.TRAILING),
        ("I want, um", Look.TRAILING),
        ("I think I’m", Look.TRAILING),
        ("What is this made of?", Look.ENDED),
        ("My number is 0 1 7 2", Look.SPELLING),
        ("29340.", Look.SPELLING),
        ("it's two nine three four", Look.SPELLING),
        ("double five double two", Look.SPELLING),
        ("That is spelled s m i", Look.SPELLING),
        ("It was in 99.", Look.ENDED),
        ("five five", Look.OPEN),
    ],
)
def test_looks_of_what_was_said(text: str | None, look: Look) -> None:
    assert look_of(text) is look


@pytest.mark.parametrize(
    ("expects", "text", "look"),
    [
        (YES_NO, "Yes", Look.ANSWERED),
        (YES_NO, "no, thank you", Look.ANSWERED),
        (YES_NO, "Yes, but", Look.TRAILING),
        (YES_NO, "Yes,", Look.COMMA),
        (EMAIL, "Ann,", Look.TRAILING),
        (YES_NO, "I think so", Look.OPEN),
        (NUMBER, "25.", Look.OPEN),
        (NUMBER, "twenty five people.", Look.ENDED),
        (PHONE, "It's 0172", Look.SPELLING),
        (PHONE, "555 0172 338", Look.ANSWERED),
        (PHONE, "five five five double oh one seven two three three", Look.ANSWERED),
        (PHONE, "I don't know.", Look.ENDED),
        (EMAIL, "ann.smith", Look.SPELLING),
        (EMAIL, "ann smith at example", Look.SPELLING),
        (EMAIL, "ann.smith@example.com.", Look.ANSWERED),
        (EMAIL, "ann at example dot org", Look.ANSWERED),
        (FREE, "Yes", Look.OPEN),
    ],
)
def test_looks_to_somebody_who_expects_an_answer(expects: Expects, text: str, look: Look) -> None:
    assert look_of(text, expects) is look


# --- the wait -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("evidence", "wait_ms"),
    [
        (PauseEvidence("It is done.", finished=0.965), 300),
        (PauseEvidence("It is done.", finished=0.964), 645),
        (PauseEvidence("It is done."), 600),
        (PauseEvidence("It is done.", finished=0.9), 645),
        (PauseEvidence("It is done,", finished=0.99), 650),
        (PauseEvidence("It is done,", finished=0.9), 670),
        (PauseEvidence("It is done", finished=0.9), 670),
        (PauseEvidence("It is done,", finished=0.0), 820),
        (PauseEvidence("It is done", finished=0.0), 820),
        (PauseEvidence("It is two, nine,", finished=0.0), 1_300),
        (PauseEvidence("It is done.", finished=0.0), 700),
        (PauseEvidence(), 700),
        (PauseEvidence(finished=0.97), 450),
        (PauseEvidence("It is"), 750),
        (PauseEvidence("It is", finished=0.97), 650),
        (PauseEvidence("2 9 3 4"), 1_100),
        (PauseEvidence("It is the"), 1_200),
        (PauseEvidence("It is the", finished=0.0), 1_300),
        (PauseEvidence("Yes", expects=YES_NO), 300),
        (PauseEvidence("It is", pause_ms=200), 638),
        (PauseEvidence("It is", pause_ms=800), 975),
        (PauseEvidence("It is done.", finished=1.0, pause_ms=2_000), 300),
        (PauseEvidence("It is the", pause_ms=2_000), 1_300),
    ],
)
def test_waits(evidence: PauseEvidence, wait_ms: int) -> None:
    assert silence_ms(evidence, LIMITS) == wait_ms


@pytest.mark.parametrize(
    ("text", "expects", "is_due"),
    [
        ("M. A.", FREE, True),
        ("It's 0 1 7 2", FREE, True),
        ("It's 0172", PHONE, True),
        (None, EMAIL, True),
        (None, FREE, False),
        ("555 0172 338", PHONE, False),
        ("I'd like a table.", FREE, False),
        ("I don't know.", PHONE, False),
    ],
)
def test_letters_and_digits_are_waited_for(text: str | None, expects: Expects, is_due: bool) -> None:
    assert is_read_out(PauseEvidence(text, expects)) is is_due


def test_the_table_has_a_row_for_every_look() -> None:
    assert set(SHARES) == set(Look)


@pytest.mark.parametrize("look", Look)
def test_the_surer_the_model_the_shorter_the_wait(look: Look) -> None:
    shares = SHARES[look]
    assert [shares.at(probability) for probability in PROBABILITIES] == list(shares.heard)
    waits = [shares.at(hundredth / 100) for hundredth in range(101)]
    assert waits == sorted(waits, reverse=True)
    assert shares.heard[-1] <= shares.at(None) <= shares.heard[0]


def test_the_more_eager_the_shorter() -> None:
    low, medium, high = (EAGERNESS[name] for name in ("low", "medium", "high"))
    assert EAGERNESS["auto"] == medium
    for text in (None, "It is done.", "It is", "It is the"):
        waits = [silence_ms(PauseEvidence(text), limits) for limits in (high, medium, low)]
        assert waits == sorted(set(waits))


@pytest.mark.parametrize(("min_ms", "max_ms"), [(39, 100), (500, 499), (100, 10_001)])
def test_limits_without_a_wait_between_them_are_refused(min_ms: int, max_ms: int) -> None:
    with pytest.raises(StageSettingsError, match=f"min_ms is {min_ms} and max_ms is {max_ms}"):
        PauseLimits(min_ms, max_ms)


def test_pauses_are_averaged_with_the_newest_first() -> None:
    pauses = Pauses()
    assert pauses.mean_ms is None
    assert pauses.after(500).mean_ms == 500
    assert pauses.after(500).after(1_000).mean_ms == pytest.approx(650)
    for _ in range(20):
        pauses = pauses.after(300)
    assert pauses.mean_ms == pytest.approx(300)


evidences = st.builds(
    PauseEvidence,
    text=st.none()
    | st.text(max_size=40)
    | st.sampled_from(["Yes.", "and", "1 2 3 4", "It is done", "Well,"]),
    expects=st.sampled_from(Expects),
    finished=st.none() | st.floats(0, 1),
    pause_ms=st.none() | st.floats(0, 10_000),
)
limits = st.tuples(st.integers(40, 10_000), st.integers(40, 10_000)).map(
    lambda pair: PauseLimits(*sorted(pair))
)


@given(evidences, limits)
def test_a_wait_keeps_its_limits(evidence: PauseEvidence, limits: PauseLimits) -> None:
    assert limits.min_ms <= silence_ms(evidence, limits) <= limits.max_ms


@given(evidences, limits, st.floats(0, 1), st.floats(0, 1))
def test_the_surer_the_model_the_shorter(
    evidence: PauseEvidence, limits: PauseLimits, one: float, two: float
) -> None:
    less, more = sorted((one, two))
    waits = [silence_ms(replace(evidence, finished=finished), limits) for finished in (more, less)]
    assert waits == sorted(waits)


@given(evidences, limits, st.floats(0, 10_000), st.floats(0, 10_000))
def test_the_longer_somebody_pauses_the_longer(
    evidence: PauseEvidence, limits: PauseLimits, one: float, two: float
) -> None:
    waits = [silence_ms(replace(evidence, pause_ms=pause), limits) for pause in sorted((one, two))]
    assert waits == sorted(waits)
