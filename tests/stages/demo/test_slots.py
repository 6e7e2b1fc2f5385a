"""Slots: what each finder finds in people's words, what it must leave alone, and that no text upsets it."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.demo.slots import find_name, find_people, find_sum, heard_slots
from stages.text.assent import find_yes_or_no, wants_out
from stages.text.plain import plain

MONDAY = datetime.fromisoformat("2026-11-23 10:00")
ALL = ("people", "date", "time", "name", "seconds", "label", "expression")


def test_what_is_said_is_heard_as_the_tools_have_it() -> None:
    text = plain("Book a table for four on Friday at seven under Smith.")
    heard = heard_slots(ALL, text, "", MONDAY)
    assert {slot: heard[slot] for slot in ("people", "date", "time", "name")} == {
        "people": 4,
        "date": "2026-11-27",
        "time": "19:00",
        "name": "Smith",
    }
    assert heard_slots(("name",), text, "", MONDAY) == {"name": "Smith"}


@pytest.mark.parametrize(
    ("asked", "heard"),
    [
        ("people", {"people": 7}),
        ("time", {"time": "19:00", "seconds": 9 * 3600}),
        ("seconds", {"seconds": 420}),
        ("", {}),
    ],
)
def test_a_bare_number_is_what_was_asked_for(asked: str, heard: dict[str, object]) -> None:
    assert heard_slots(ALL, "7", asked, MONDAY) == heard


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
    for slot in (*ALL, "moment"):
        heard = heard_slots(ALL, text, slot if asked else "", MONDAY)
        assert heard.get("seconds", 1) > 0
        assert heard.get("people", 1) > 0
        assert heard.get("name") != ""
    assert find_yes_or_no(text) in (True, False, None)
    wants_out(text)  # must not raise
