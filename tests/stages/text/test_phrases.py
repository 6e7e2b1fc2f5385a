"""Times, dates and durations as people say them."""

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.text.phrases import say_date, say_duration, say_list, say_time
from stages.text.plain import plain
from stages.text.spoken_values import find_date, find_duration_s, find_times

MONDAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (time(19), "7 pm"),
        (time(7, 5), "7:05 am"),
        (time(12), "noon"),
        (time(12, 30), "12:30 pm"),
        (time(0), "midnight"),
        (time(0, 15), "12:15 am"),
    ],
)
def test_times(at: time, said: str) -> None:
    assert say_time(at) == said


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (MONDAY, "today"),
        (date(2026, 11, 24), "tomorrow"),
        (date(2026, 11, 27), "on Friday"),
        (date(2026, 11, 30), "on Monday, November 30th"),
        (date(2026, 12, 22), "on Tuesday, December 22nd"),
        (date(2026, 11, 20), "on Friday, November 20th"),
    ],
)
def test_dates(day: date, said: str) -> None:
    assert say_date(day, MONDAY) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, "1 second"),
        (90, "1 minute and 30 seconds"),
        (300, "5 minutes"),
        (5400, "1 hour and 30 minutes"),
        (3661, "1 hour and 1 minute"),
        (0.2, "no time"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert say_duration(seconds) == said


def test_lists() -> None:
    assert [say_list(["a", "b", "c"][:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


@given(st.times())
def test_what_is_said_of_a_time_is_understood(at: time) -> None:
    assert find_times(plain(say_time(at))) == [at.replace(second=0, microsecond=0)]


@given(st.dates(min_value=MONDAY, max_value=date(2027, 11, 22)))
def test_what_is_said_of_a_date_is_understood(day: date) -> None:
    said = plain(say_date(day, MONDAY))
    by_date = said.partition("day ")[2]
    assert find_date(by_date or said, MONDAY) == day


@given(st.integers(1, 3600) | st.integers(61, 1000).map(lambda minutes: 60 * minutes))
def test_what_is_said_of_a_duration_is_understood(seconds: int) -> None:
    assert find_duration_s(plain(say_duration(seconds))) == seconds
