"""Slots: what each finder finds in people's words, what it must leave alone, and that no text upsets it."""

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.demo.slots import (
    find_date,
    find_duration_s,
    find_name,
    find_people,
    find_sum,
    find_times,
)
from stages.text.assent import find_yes_or_no, wants_out
from stages.text.plain import plain

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
    ],
)
def test_dates(text: str, expected: date | None) -> None:
    assert find_date(plain(text), MONDAY) == expected


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("a table for four tomorrow", 4),
        ("for 4 at 7", 4),
        ("three of us", 3),
        ("a party of eight", 8),
        ("2 people", 2),
        ("just me", 1),
        ("me and my wife", 2),
        ("a table for seven pm", None),
        ("for 7:30", None),
        ("for five minutes", None),
        ("five", None),
    ],
)
def test_people(text: str, people: int | None) -> None:
    assert find_people(plain(text)) == people


def test_a_bare_number_is_people_only_when_asked_for() -> None:
    assert find_people("uh 5 please", asked=True) == 5


@pytest.mark.parametrize(
    ("text", "asked", "name"),
    [
        ("my name is anna", False, "Anna"),
        ("under the name of O'Brien please", False, "O'Brien"),
        ("book it under john miller at 7", False, "John Miller"),
        ("book a table", False, None),
        ("Smith.", True, "Smith"),
        ("uh it's John Miller please", True, "John Miller"),
        ("for Smith", True, "Smith"),
        ("tomorrow", True, None),
        ("what's the time", True, None),
        ("i don't know", True, None),
        ("five", True, None),
        ("", True, None),
    ],
)
def test_names(text: str, asked: bool, name: str | None) -> None:
    assert find_name(plain(text), asked=asked) == name


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Yes, please.", True),
        ("yeah", True),
        ("okay go ahead", True),
        ("that's right", True),
        ("no thanks", False),
        ("nope", False),
        ("that's not right", False),
        ("not really", False),
        ("tomorrow", None),
        ("yesterday", None),
        ("november", None),
    ],
)
def test_yes_and_no(text: str, answer: bool | None) -> None:
    assert find_yes_or_no(plain(text)) is answer


@pytest.mark.parametrize("text", ["never mind", "Cancel.", "forget it", "actually cancel that", "stop"])
def test_wanting_out(text: str) -> None:
    assert wants_out(plain(text))


@pytest.mark.parametrize("text", ["cancel my booking for friday", "yes", "don't stop believing", "tomorrow"])
def test_not_wanting_out(text: str) -> None:
    assert not wants_out(plain(text))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("what is twelve times seven", "12 * 7"),
        ("what's 12 x 7?", "12 * 7"),
        ("twenty percent of 80", "20 % of 80"),
        ("what is 20% of 80", "20 % of 80"),
        ("a hundred divided by eight", "100 / 8"),
        ("two plus three times four", "2 + 3 * 4"),
        ("(2 + 3) * 4", "( 2 + 3 ) * 4"),
        ("five squared", "5 ^ 2"),
        ("two to the power of ten", "2 ^ 10"),
        ("the square root of 81", "81 ^ 0.5"),
        ("add five and seven", "5 + 7"),
        ("subtract three from ten", "10 - 3"),
        ("half of fifty", "0.5 * 50"),
        ("minus three plus ten", "- 3 + 10"),
        ("a table for two", None),
        ("two plus", None),
        ("twelve", None),
    ],
)
def test_sums(text: str, written: str | None) -> None:
    assert find_sum(plain(text)) == written


WORDS = (
    "half past quarter to a an the 1 7 12 30 99 2026-02-31 at for in of next friday november 31st may day "
    "week hours minutes pm am noon midnight people name is under + - / ( ) % times and cancel yes no"
)


@given(
    st.lists(st.sampled_from(WORDS.split(" ")), max_size=12).map(" ".join) | st.text(max_size=80),
    st.booleans(),
)
def test_no_text_upsets_a_finder(text: str, asked: bool) -> None:
    text = plain(text)
    duration_s, people = find_duration_s(text, asked=asked), find_people(text, asked=asked)
    assert duration_s is None or duration_s >= 0
    assert people is None or people >= 0
    assert find_yes_or_no(text) in (True, False, None)
    assert find_name(text, asked=asked) != ""
    find_times(text, asked=asked)  # these two only must not raise
    find_date(text, MONDAY)
    wants_out(text)
    find_sum(text)
