"""Who is next: the most urgent, then the sessions in turns; and a session that asks for much waits for itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.runtime.lines import PASSED_OVER, Lines


def order(*calls: tuple[str, int, str]) -> list[str]:
    lines = Lines[str](line_limit=100)
    for who, priority, call in calls:
        lines.add(who, priority, call)
    return [lines.take() for _ in calls]


def test_sessions_take_turns_whoever_has_asked_for_more() -> None:
    greedy = [("greedy", 0, f"g{number}") for number in range(4)]
    assert order(*greedy, ("one", 0, "o"), ("two", 0, "t")) == ["g0", "o", "t", "g1", "g2", "g3"]


def test_the_most_urgent_is_first_and_a_line_is_first_come_first() -> None:
    assert order(("a", 1, "late"), ("a", 0, "soon"), ("a", 0, "then"), ("b", 1, "b")) == [
        "soon",
        "then",
        "b",
        "late",
    ]


def test_a_full_line_refuses_its_own_session_and_no_other() -> None:
    lines = Lines[int](line_limit=2)
    lines.add("greedy", 0, 1)
    lines.add("greedy", 0, 2)
    assert lines.is_full("greedy")
    assert not lines.is_full("innocent")
    lines.remove("greedy", 1)
    assert not lines.is_full("greedy")
    assert len(lines) == 1


def test_what_is_not_urgent_is_not_passed_over_for_ever() -> None:
    lines = Lines[str](line_limit=100)
    lines.add("patient", 1, "patient")
    taken = []
    for number in range(50):
        lines.add(f"urgent {number % 3}", 0, "urgent")
        taken.append(lines.take())
    assert taken.index("patient") <= PASSED_OVER + 5


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 1), st.booleans()), max_size=60),
)
def test_every_call_that_is_not_removed_is_taken_once(calls: list[tuple[str, int, bool]]) -> None:
    lines = Lines[int](line_limit=100)
    for number, (who, priority, _) in enumerate(calls):
        lines.add(who, priority, number)
    for number, (who, _, is_removed) in enumerate(calls):
        if is_removed:
            lines.remove(who, number)
    kept = [number for number, (_, _, is_removed) in enumerate(calls) if not is_removed]
    assert len(lines) == len(kept)
    assert sorted(lines.take() for _ in kept) == kept
    assert lines.least_priority() is None


@pytest.mark.parametrize("greedy", [1, 3, 10])
def test_an_innocent_waits_for_one_call_of_each_greedy_session_at_most(greedy: int) -> None:
    lines = Lines[str](line_limit=8)
    for number in range(greedy):
        for _ in range(8):
            lines.add(f"greedy {number}", 0, "greedy")
    lines.take()
    lines.add("innocent", 0, "innocent")
    taken = [lines.take() for _ in range(greedy + 1)]
    assert "innocent" in taken
