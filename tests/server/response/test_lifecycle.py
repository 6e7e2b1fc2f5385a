"""The lifecycle's table: total, reachable, and true to what a client may rely on, whatever happens in any order."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.response.lifecycle import (
    HELD,
    IMPOSSIBLE,
    OVER,
    TABLE,
    TOLD,
    ImpossibleInLifecycle,
    Lifecycle,
    LifecycleCommand,
    LifecycleEvent,
    LifecycleFact,
    LifecycleState,
)

S, E, C, F = LifecycleState, LifecycleEvent, LifecycleCommand, LifecycleFact
ROWS = [row for cells in TABLE.values() for cell in cells.values() for row in cell.ways()]


@pytest.mark.parametrize(("state", "event"), [*product(S, E)], ids=str)
def test_table_is_total(state: LifecycleState, event: LifecycleEvent) -> None:
    assert (event in TABLE[state]) + (event in IMPOSSIBLE[state]) == 1 or state in OVER


def test_every_state_is_reachable_and_every_command_and_fact_is_of_use() -> None:
    reached, frontier = {S.PREPARING}, [S.PREPARING]
    while frontier:
        new = {row.next for cell in TABLE[frontier.pop()].values() for row in cell.ways()} - reached
        reached |= new
        frontier += new
    assert reached == set(S)
    assert {command for row in ROWS for command in row.commands} == set(C)
    assert {row.when for row in ROWS if row.when} == set(F)
    assert all((row.when is None) == (row.otherwise is None) for row in ROWS)


def test_it_is_let_out_when_it_is_both_wanted_and_passed_in_whatever_order() -> None:
    for events in ((E.CONFIRMED, E.GUARD_PASSED), (E.GUARD_PASSED, E.CONFIRMED)):
        lifecycle = Lifecycle()
        assert C.LET_OUT not in lifecycle.feed(events[0])
        assert lifecycle.state in HELD
        assert C.LET_OUT in lifecycle.feed(events[1])
        assert lifecycle.state not in HELD


def test_what_the_table_calls_impossible_is_raised_and_moves_nothing() -> None:
    lifecycle = Lifecycle()
    with pytest.raises(ImpossibleInLifecycle, match="FINISHED"):
        lifecycle.feed(E.FINISHED)
    assert lifecycle.state is S.PREPARING


def test_what_comes_after_the_end_changes_nothing() -> None:
    lifecycle = Lifecycle()
    lifecycle.feed(E.UNWANTED)
    assert [lifecycle.feed(event) for event in E] == [()] * len(E)
    assert lifecycle.state is S.DROPPED


@given(
    st.booleans(),
    st.lists(st.sampled_from(E), max_size=20),
)
def test_what_the_client_is_told_is_in_order_and_has_an_end(
    requested: bool, events: list[LifecycleEvent]
) -> None:
    lifecycle, drafted, done = Lifecycle(), False, list[LifecycleCommand]()
    for event in (*events, E.INTERRUPTED):
        if event in IMPOSSIBLE[lifecycle.state] or (event is E.MESSAGE_BEGAN and drafted):
            continue
        facts = {F.REQUESTED} if requested else set()
        facts |= {F.DRAFTED} if drafted else set()
        commands = lifecycle.feed(event, frozenset(facts))
        if {C.FORGET, C.END_MESSAGE} & {*commands}:
            drafted = False
        drafted = drafted or C.BEGIN_MESSAGE in commands
        done += commands
    past_the_stream = done.count(C.ANNOUNCE)
    assert past_the_stream <= 1
    assert not past_the_stream or done.index(C.ANNOUNCE) < done.index(C.TELL_END)
    assert done.count(C.TELL_END) + done.count(C.NOTE_END) <= 1
    assert done.count(C.LET_OUT) <= 1
    if C.LET_OUT in done:
        let_out = done.index(C.LET_OUT)
        # Behind the gate nothing is taken back but what was begun anew and not told.
        assert C.UNDO not in done[let_out:]
        assert done.count(C.START) <= 1 or C.FORGET in done
    assert lifecycle.state in OVER
    assert lifecycle.state not in TOLD
