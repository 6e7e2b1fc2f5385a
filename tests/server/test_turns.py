"""The floor's table: total, reachable, and true to its invariants whatever happens in whatever order."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.turns import (
    IMPOSSIBLE,
    OF_A_TURN,
    TABLE,
    Floor,
    FloorCommand,
    FloorEvent,
    FloorLimits,
    ImpossibleEvent,
    State,
)

E, C, S = FloorEvent, FloorCommand, State
LIMITS = FloorLimits(think_s=10.0, speak_s=100.0)


def floor_after(*events: FloorEvent) -> Floor:
    floor = Floor(LIMITS)
    for event in events:
        floor.feed(event, 0.0, floor.turn if event in OF_A_TURN else None)
    return floor


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", FloorEvent)
def test_table_is_total(state: State, event: FloorEvent) -> None:
    rows = event in TABLE[state]
    impossible = event in IMPOSSIBLE[state]
    late = event in OF_A_TURN or state is State.CLOSED
    assert rows + impossible <= 1
    assert rows or impossible or late


def test_every_state_is_reachable() -> None:
    reached, frontier = {State.LISTENING}, [State.LISTENING]
    while frontier:
        for row in TABLE[frontier.pop()].values():
            if row.next not in reached:
                reached.add(row.next)
                frontier.append(row.next)
    assert reached == set(State)


def test_cancel_always_comes_with_a_flush_and_before_it() -> None:
    for rows in TABLE.values():
        for row in rows.values():
            assert (C.CANCEL in row.commands) == (C.FLUSH in row.commands)
            if C.CANCEL in row.commands:
                assert row.commands.index(C.CANCEL) < row.commands.index(C.FLUSH)


def test_a_turn_is_heard_answered_and_over() -> None:
    floor = floor_after(E.SPEECH_STARTED)
    assert floor.feed(E.SPEECH_ENDED, 1.0) == (C.START,)
    assert (floor.state, floor.turn) == (S.THINKING, 1)
    assert floor.feed(E.AUDIBLE, 1.3, 1) == ()
    assert floor.feed(E.ANSWERED, 4.0, 1) == ()
    assert (floor.state, floor.deadline) == (S.LISTENING, None)


@pytest.mark.parametrize("before", [(), (E.AUDIBLE,)])
def test_speech_takes_the_floor_from_a_turn(before: tuple[FloorEvent, ...]) -> None:
    floor = floor_after(E.REPLY_REQUESTED, *before)
    assert floor.feed(E.SPEECH_STARTED, 2.0) == (C.CANCEL, C.FLUSH)
    assert floor.state is S.HEARING


def test_overheard_speech_does_not_interrupt_and_is_answered_afterwards() -> None:
    floor = floor_after(E.REPLY_REQUESTED, E.AUDIBLE)
    assert floor.feed(E.SPEECH_OVERHEARD, 2.0) == ()
    assert floor.feed(E.SPEECH_ENDED, 3.0) == (C.QUEUE,)
    assert floor.feed(E.ANSWERED_WITH_MORE, 4.0, 1) == (C.START,)
    assert (floor.state, floor.turn) == (S.THINKING, 2)


def test_overheard_speech_may_outlast_the_answer() -> None:
    floor = floor_after(E.REPLY_REQUESTED, E.SPEECH_OVERHEARD, E.ANSWERED)
    assert floor.feed(E.SPEECH_ENDED, 3.0) == (C.START,)


def test_events_of_a_turn_that_lost_the_floor_are_late() -> None:
    floor = floor_after(E.REPLY_REQUESTED, E.SPEECH_STARTED, E.SPEECH_ENDED)
    assert floor.turn == 2
    assert floor.feed(E.AUDIBLE, 2.0, 1) == ()
    assert floor.feed(E.ANSWERED, 2.0, 1) == ()
    assert floor.state is S.THINKING


def test_a_cancelled_turn_says_nothing_more() -> None:
    floor = floor_after(E.REPLY_REQUESTED, E.CANCELLED)
    assert floor.state is S.LISTENING
    assert floor.feed(E.AUDIBLE, 2.0, 1) == ()
    assert floor.state is S.LISTENING


def test_a_turn_that_never_answers_is_ended_and_apologised_for() -> None:
    floor = floor_after(E.REPLY_REQUESTED)
    assert floor.deadline == 10.0
    assert floor.tick(9.9) == ()
    assert floor.tick(10.0) == (C.CANCEL, C.FLUSH, C.APOLOGISE)
    assert floor.state is S.LISTENING


def test_speaking_has_its_own_deadline() -> None:
    floor = Floor(LIMITS)
    floor.feed(E.REPLY_REQUESTED, 0.0)
    floor.feed(E.AUDIBLE, 5.0, 1)
    floor.feed(E.AUDIBLE, 50.0, 1)
    assert floor.deadline == 105.0
    assert floor.tick(105.0) == (C.CANCEL, C.FLUSH)


def test_an_impossible_event_raises_and_moves_nothing() -> None:
    floor = floor_after(E.SPEECH_STARTED)
    with pytest.raises(ImpossibleEvent, match="speech started"):
        floor.feed(E.SPEECH_STARTED, 1.0)
    assert floor.state is S.HEARING


class AnyOrder(RuleBasedStateMachine):
    """Feeds every possible event at any time and watches what the floor asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.floor = Floor(LIMITS)
        self.now = 0.0
        self.live = 0  # runs that were started and not ended

    @precondition(lambda self: self.floor.state is not S.CLOSED)
    @rule(event=st.sampled_from(FloorEvent), of_an_old_turn=st.booleans(), after_s=st.floats(0, 20))
    def feed(self, event: FloorEvent, of_an_old_turn: bool, after_s: float) -> None:
        if event in IMPOSSIBLE[self.floor.state]:
            return
        self.now += after_s
        turn = self.floor.turn - of_an_old_turn if event in OF_A_TURN else None
        late = event in OF_A_TURN and (of_an_old_turn or not self.live)
        state = self.floor.state
        commands = self.floor.feed(event, self.now, turn)
        if late:
            assert commands == ()
            assert self.floor.state is state
            return
        if event in (E.ANSWERED, E.ANSWERED_WITH_MORE):
            self.live -= 1
        self.obey(commands)

    @rule(after_s=st.floats(0, 200))
    def tick(self, after_s: float) -> None:
        self.now += after_s
        self.obey(self.floor.tick(self.now))

    def obey(self, commands: tuple[FloorCommand, ...]) -> None:
        for command in commands:
            if command is C.CANCEL:
                self.live -= 1
            if command is C.START:
                self.live += 1

    @invariant()
    def at_most_one_live_run(self) -> None:
        assert self.live in (0, 1)

    @invariant()
    def a_deadline_exactly_while_a_turn_lives(self) -> None:
        assert (self.floor.deadline is not None) == (self.live == 1)
        assert (self.floor.state in (S.THINKING, S.SPEAKING)) == (self.live == 1)


TestAnyOrder = AnyOrder.TestCase
