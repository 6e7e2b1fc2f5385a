"""Times, dates and durations out of people's words: what each finder finds and what it must leave alone."""

from datetime import date, datetime, time

import pytest

from stages.text.plain import plain
from stages.text.spoken_values import find_date, find_duration_s, find_number, find_times, seconds_until

MONDAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("five minutes", 300),
        ("set a 10 minute timer", 600),
        ("ninety seconds", 90),
        ("a twenty second timer", 20),
        ("an hour", 3600),
        ("half an hour", 1800),
        ("a quarter of an hour", 900),
        ("an hour and a half", 5400),
        ("two and a half hours", 9000),
        ("1 hour and 20 minutes", 4800),
        ("one minute thirty", 90),
        ("1.5 hours", 5400),
        ("5 mins", 300),
        ("at seven", None),
        ("this minute", None),
        ("0 minutes", None),
        ("9" * 400 + " minutes", None),
    ],
)
def test_durations(text: str, seconds: int | None) -> None:
    assert find_duration_s(plain(text)) == seconds


def test_a_bare_number_is_minutes_only_when_asked_for() -> None:
    assert find_duration_s(plain("ten")) is None
    assert find_duration_s(plain("ten"), asked=True) == 600
    assert find_duration_s(plain("ten seconds"), asked=True) == 10
    assert find_duration_s(plain("dunno"), asked=True) is None
    assert find_duration_s("9" * 400, asked=True) is None


@pytest.mark.parametrize(
    ("text", "hour", "minute", "certain"),
    [
        ("seven pm", 19, 0, True),
        ("7:30 P.M.", 19, 30, True),
        ("seven thirty p m", 19, 30, True),
        ("730 pm", 19, 30, True),
        ("at 730", 7, 30, False),
        ("19:30", 19, 30, True),
        ("seven oh five", 7, 5, False),
        ("at seven", 7, 0, False),
        ("around 8", 8, 0, False),
        ("eight o'clock", 8, 0, False),
        ("7 o'clock in the morning", 7, 0, True),
        ("quarter past seven", 7, 15, False),
        ("ten to eight in the evening", 19, 50, True),
        ("half past twelve", 12, 30, False),
        ("quarter to one", 12, 45, False),
        ("noon", 12, 0, True),
        ("midnight", 0, 0, True),
        ("12 am", 0, 0, True),
        ("tonight at eight", 20, 0, True),
        ("a table for 4 at 7", 7, 0, False),
    ],
)
def test_times(text: str, hour: int, minute: int, certain: bool) -> None:
    meant = [time(hour, minute)] if certain else [time(hour % 12, minute), time(hour % 12 + 12, minute)]
    assert list(find_times(plain(text))) == meant


@pytest.mark.parametrize(
    "text", ["a table for four", "in five minutes", "at 4 people", "25:00", "seven", "tomorrow"]
)
def test_what_is_no_time(text: str) -> None:
    assert not find_times(plain(text))


def test_a_bare_number_is_an_hour_only_when_asked_for() -> None:
    assert find_times("7", asked=True) == [time(7), time(19)]
    assert not find_times("77", asked=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today", MONDAY),
        ("tonight", MONDAY),
        ("tomorrow at seven", date(2026, 11, 24)),
        ("the day after tomorrow", date(2026, 11, 25)),
        ("on friday", date(2026, 11, 27)),
        ("next friday", date(2026, 12, 4)),
        ("monday", MONDAY),
        ("next monday", date(2026, 11, 30)),
        ("in three days", date(2026, 11, 26)),
        ("in a week", date(2026, 11, 30)),
        ("a week from today", date(2026, 11, 30)),
        ("November twenty fifth", date(2026, 11, 25)),
        ("the 25th of November", date(2026, 11, 25)),
        ("Nov 25", date(2026, 11, 25)),
        ("the second of may", date(2027, 5, 2)),
        ("on the 25th", date(2026, 11, 25)),
        ("the 3rd", date(2026, 12, 3)),
        ("the 31st", date(2026, 12, 31)),
        ("12/24", date(2026, 12, 24)),
        ("2026-12-24", date(2026, 12, 24)),
        ("2026-05-02", date(2026, 5, 2)),
        ("2031-05-02", date(2031, 5, 2)),
        ("2028-12-31", date(2028, 12, 31)),
        ("9999-02-31", None),
        ("0000-01-01", None),
        ("february 30", None),
        ("a table for four", None),
        ("at seven", None),
        (f"in {'1' * 5000} days", None),
    ],
)
def test_dates(text: str, expected: date | None) -> None:
    assert find_date(plain(text), MONDAY) == expected


def test_the_first_whole_number() -> None:
    assert find_number(plain("well, twenty-one or 3")) == 21
    assert find_number("none") is None


def test_seconds_until_the_next_time_that_is_meant() -> None:
    now = datetime.fromisoformat("2026-11-23 10:00")
    assert seconds_until(find_times("at 12:30"), now) == 9000
    assert seconds_until(find_times("at 9 am"), now) == 23 * 3600
    assert seconds_until(find_times("at 7"), now) == 9 * 3600
    assert seconds_until((), now) is None
