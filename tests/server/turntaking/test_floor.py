"""The floor's table: total, reachable, and true to its invariants whatever happens in whatever order."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.turntaking.floor import Floor, FloorLimits, ImpossibleEvent, RunId
from server.turntaking.floor_table import (
    IMPOSSIBLE,
    OF_A_RUN,
    OVERLAP,
    TABLE,
    Fact,
    FloorCommand,
    FloorEvent,
    Row,
    State,
)

ROOT = Path(__file__).parents[3]
E, C, S, F = FloorEvent, FloorCommand, State, Fact
LIMITS = FloorLimits(think_s=10.0, speak_s=100.0, overlap_s=5.0, stall_s=2.0)
WITH_A_RUN = OVERLAP | {S.ENDING, S.THINKING, S.SPEAKING}
ANSWER, YIELD = (C.OPEN, C.START, C.COMMIT), (C.TELL_START, C.CANCEL, C.FLUSH, C.OPEN)


HOLDS = frozenset({F.HOLDS_VOICE})
UNINTERRUPTIBLE = frozenset({F.UNINTERRUPTIBLE})


def floor_after(*events: FloorEvent, facts: frozenset[Fact] = HOLDS) -> Floor:
    floor = Floor(LIMITS)
    for event in events:
        floor.feed(event, 0.0, floor.run if event in OF_A_RUN else None, facts)
    return floor


def tick(floor: Floor, now: float) -> tuple[FloorCommand, ...]:
    event = floor.due(now)
    return () if event is None else floor.feed(event, now)


def all_rows() -> list[Row]:
    return [row for cells in TABLE.values() for cell in cells.values() for row in cell.ways()]


# --- the table ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", FloorEvent)
def test_table_is_total(state: State, event: FloorEvent) -> None:
    rows = event in TABLE[state]
    impossible = event in IMPOSSIBLE[state]
    late = event in OF_A_RUN or state is State.CLOSED
    assert rows + impossible <= 1
    assert rows or impossible or late


def test_every_state_is_reachable() -> None:
    reached, frontier = {State.LISTENING}, [State.LISTENING]
    while frontier:
        for cell in TABLE[frontier.pop()].values():
            for row in cell.ways():
                if row.next not in reached:
                    reached.add(row.next)
                    frontier.append(row.next)
    assert reached == set(State)


def test_every_command_is_given_somewhere() -> None:
    assert {command for row in all_rows() for command in row.commands} == set(FloorCommand)


def test_every_fact_decides_something_and_the_last_row_of_a_cell_always_applies() -> None:
    assert {row.when for row in all_rows() if row.when} == set(Fact)
    assert all((row.when is None) == (row.otherwise is None) for row in all_rows())


def test_cancel_always_comes_with_a_flush_and_before_it() -> None:
    for row in all_rows():
        assert (C.CANCEL in row.commands) == (C.FLUSH in row.commands)
        if C.CANCEL in row.commands:
            assert row.commands.index(C.CANCEL) < row.commands.index(C.FLUSH)


def test_every_state_but_the_last_has_a_way_out_when_time_is_up_and_when_the_client_is_gone() -> None:
    for state in set(State) - {S.CLOSED}:
        assert E.TIMED_OUT in TABLE[state]
        assert TABLE[state][E.GONE].next is S.CLOSED


# --- stories --------------------------------------------------------------------------------------------------


def test_a_turn_is_prepared_in_the_pause_and_let_out_at_the_end() -> None:
    floor = floor_after(E.SPEECH_STARTED)
    assert floor.feed(E.SPEECH_PAUSED, 1.0) == (C.START,)
    assert (floor.state, floor.run) == (S.ENDING, RunId(1, 1))
    assert floor.feed(E.SPEECH_ENDED, 1.4) == (C.COMMIT,)
    assert floor.feed(E.AUDIBLE, 1.4, RunId(1, 1)) == ()
    assert floor.feed(E.ANSWERED, 4.0, RunId(1, 1)) == ()
    assert (floor.state, floor.deadline) == (S.LISTENING, None)


def test_a_pause_that_was_not_the_end_is_the_same_turn_in_another_revision() -> None:
    floor = floor_after(E.SPEECH_STARTED, E.SPEECH_PAUSED)
    assert floor.feed(E.SPEECH_RESUMED, 1.0) == (C.DROP,)
    assert floor.feed(E.SPEECH_PAUSED, 2.0) == (C.START,)
    assert floor.run == RunId(1, 2)
    assert floor.feed(E.ANSWERED, 2.1, RunId(1, 1)) == ()  # the dropped one
    assert floor.state is S.ENDING


def test_speech_that_ends_without_a_pause_is_answered_from_there() -> None:
    floor = floor_after(E.SPEECH_STARTED)
    assert floor.feed(E.SPEECH_ENDED, 1.0) == (C.START, C.COMMIT)


def test_a_run_that_fails_while_it_is_held_is_tried_again() -> None:
    floor = floor_after(E.SPEECH_STARTED, E.SPEECH_PAUSED, E.ANSWERED)
    assert floor.state is S.HEARING
    assert floor.feed(E.SPEECH_ENDED, 1.0) == (C.START, C.COMMIT)
    assert floor.run == RunId(1, 2)


@pytest.mark.parametrize("before", [(), (E.AUDIBLE,), (E.SPEECH_STARTED,), (E.AUDIBLE, E.SPEECH_STARTED)])
def test_speech_takes_the_floor_from_an_answer(before: tuple[FloorEvent, ...]) -> None:
    floor = floor_after(E.RESPONSE_REQUESTED, *before)
    assert floor.feed(E.BARGED_IN, 2.0) == YIELD
    assert (floor.state, floor.run) == (S.HEARING, RunId(2, 0))


def test_a_cough_lowers_the_voice_and_gives_it_back() -> None:
    floor = floor_after(E.RESPONSE_REQUESTED, E.AUDIBLE)
    assert floor.feed(E.SPEECH_STARTED, 2.0, None, HOLDS) == (C.WEIGH, C.DUCK)
    assert floor.feed(E.FALSE_ALARM, 2.2) == (C.RESUME,)
    assert (floor.state, floor.run) == (S.SPEAKING, RunId(1, 1))


def test_a_sound_that_goes_on_holds_the_voice_until_it_is_known_what_it_was() -> None:
    floor = floor_after(E.RESPONSE_REQUESTED, E.AUDIBLE, E.SPEECH_STARTED)
    assert floor.feed(E.SPEECH_PERSISTED, 2.3) == (C.PAUSE,)
    assert floor.feed(E.SPEECH_PERSISTED, 2.4) == ()
    assert floor.feed(E.FALSE_ALARM, 2.8) == (C.RESUME,)
    assert floor.state is S.SPEAKING


def test_an_answer_that_is_not_audible_yet_holds_back_while_a_sound_lasts() -> None:
    floor = floor_after(E.RESPONSE_REQUESTED)
    assert floor.feed(E.SPEECH_STARTED, 2.0) == (C.WEIGH, C.PAUSE)
    assert floor.state is S.HESITATING
    assert floor.feed(E.FALSE_ALARM, 2.5) == (C.RESUME,)
    assert (floor.state, floor.deadline) == (S.THINKING, 10.0)


def test_speech_over_the_last_words_of_an_answer_becomes_the_next_turn() -> None:
    floor = floor_after(E.RESPONSE_REQUESTED, E.AUDIBLE, E.SPEECH_STARTED)
    assert floor.feed(E.ANSWERED, 2.2, floor.run) == (C.RESUME, C.OPEN)
    assert floor.feed(E.SPEECH_ENDED, 3.0) == (C.START, C.COMMIT)
    assert floor.run == RunId(2, 1)


def test_an_undecided_sound_does_not_hold_the_answer_for_ever() -> None:
    floor = floor_after(E.RESPONSE_REQUESTED, E.AUDIBLE, E.SPEECH_STARTED, E.SPEECH_PERSISTED)
    for now in (1.0, 2.0, 3.0, 4.0):
        floor.audio_came(now)
        assert tick(floor, now) == ()
    assert floor.deadline == 5.0
    assert tick(floor, 5.0) == (C.RESUME,)
    assert floor.state is S.SPEAKING


@pytest.mark.parametrize("pauses", [False, True])
def test_speech_whose_audio_stops_coming_is_ended(pauses: bool) -> None:
    floor = floor_after(E.SPEECH_STARTED, *[E.SPEECH_PAUSED] * pauses)
    floor.audio_came(1.5)
    assert tick(floor, 3.4) == ()
    assert tick(floor, 3.5) == (C.END_SPEECH,)


def test_overheard_speech_does_not_interrupt_and_is_answered_afterwards() -> None:
    floor = floor_after(E.RESPONSE_REQUESTED, E.AUDIBLE)
    assert floor.feed(E.SPEECH_STARTED, 2.0, None, UNINTERRUPTIBLE | HOLDS) == (C.TELL_START,)
    for event in (E.SPEECH_PAUSED, E.SPEECH_RESUMED, E.SPEECH_PAUSED):
        assert floor.feed(event, 2.0) == ()
    assert floor.feed(E.SPEECH_ENDED, 3.0) == (C.QUEUE,)
    assert floor.feed(E.ANSWERED, 4.0, floor.run, frozenset({F.MORE_WAITS})) == ANSWER
    assert (floor.state, floor.run) == (S.THINKING, RunId(2, 1))


def test_overheard_speech_may_outlast_the_answer() -> None:
    floor = floor_after(E.RESPONSE_REQUESTED, E.SPEECH_STARTED, E.ANSWERED, facts=UNINTERRUPTIBLE)
    assert floor.feed(E.SPEECH_PAUSED, 3.0) == (C.OPEN, C.START)
    assert floor.feed(E.SPEECH_ENDED, 3.3) == (C.COMMIT,)


@pytest.mark.parametrize(
    ("facts", "commands"),
    [
        ((), YIELD),
        ((F.HOLDS_VOICE,), (C.WEIGH, C.DUCK)),
        ((F.PROTECTED, F.HOLDS_VOICE), (C.HIDE_START,)),
        ((F.UNINTERRUPTIBLE, F.PROTECTED, F.HOLDS_VOICE), (C.TELL_START,)),
    ],
)
def test_the_facts_decide_what_a_sound_does_to_an_answer(
    facts: tuple[Fact, ...], commands: tuple[FloorCommand, ...]
) -> None:
    floor = floor_after(E.RESPONSE_REQUESTED, E.AUDIBLE)
    assert floor.feed(E.SPEECH_STARTED, 2.0, None, frozenset(facts)) == commands


@pytest.mark.parametrize("event", [E.RESPONSE_REQUESTED, E.CANCELLED])
def test_what_cannot_be_had_is_refused_and_moves_nothing(event: FloorEvent) -> None:
    facts = frozenset({F.RESPONSE_OPEN} if event is E.RESPONSE_REQUESTED else ())
    for before in ((), (E.SPEECH_STARTED,), (E.SPEECH_STARTED, E.SPEECH_PAUSED)):
        floor = floor_after(*before)
        was = floor.state, floor.deadline
        assert floor.feed(event, 1.0, None, facts) == (C.REFUSE,)
        assert (floor.state, floor.deadline) == was


def test_events_of_a_run_that_lost_the_floor_are_late() -> None:
    floor = floor_after(E.RESPONSE_REQUESTED, E.BARGED_IN, E.SPEECH_ENDED)
    assert floor.run == RunId(2, 1)
    assert floor.feed(E.AUDIBLE, 2.0, RunId(1, 1)) == ()
    assert floor.feed(E.ANSWERED, 2.0, RunId(1, 1)) == ()
    assert floor.state is S.THINKING


def test_a_cancelled_run_says_nothing_more() -> None:
    floor = floor_after(E.RESPONSE_REQUESTED, E.CANCELLED)
    assert floor.state is S.LISTENING
    assert floor.feed(E.AUDIBLE, 2.0, floor.run) == ()
    assert floor.state is S.LISTENING


def test_a_turn_that_never_answers_is_ended_and_apologised_for() -> None:
    floor = floor_after(E.RESPONSE_REQUESTED)
    assert floor.deadline == 10.0
    assert tick(floor, 9.9) == ()
    assert tick(floor, 10.0) == (C.CANCEL, C.FLUSH, C.APOLOGISE)
    assert floor.state is S.LISTENING


def test_speaking_has_its_own_deadline() -> None:
    floor = Floor(LIMITS)
    floor.feed(E.RESPONSE_REQUESTED, 0.0)
    floor.feed(E.AUDIBLE, 5.0, floor.run)
    floor.feed(E.AUDIBLE, 50.0, floor.run)
    assert floor.deadline == 105.0
    assert tick(floor, 105.0) == (C.CANCEL, C.FLUSH)


def test_a_person_who_says_nothing_after_an_answer_is_nudged_once() -> None:
    floor = Floor(LIMITS)
    floor.set_idle_s(7.0, 0.0)
    assert floor.deadline is None  # nothing was said yet
    floor.feed(E.RESPONSE_REQUESTED, 0.0)
    floor.feed(E.ANSWERED, 3.0, floor.run)
    assert tick(floor, 9.9) == ()
    assert tick(floor, 10.0) == (C.NUDGE,)
    assert floor.deadline is None


def test_a_silence_in_which_nobody_was_listened_for_does_not_count() -> None:
    floor = Floor(LIMITS)
    floor.set_idle_s(7.0, 0.0)
    floor.feed(E.RESPONSE_REQUESTED, 0.0)
    floor.feed(E.ANSWERED, 3.0, floor.run)
    floor.set_idle_s(None, 4.0)
    floor.set_idle_s(7.0, 20.0)
    assert floor.deadline == 27.0
    floor.set_idle_s(9.0, 22.0)
    assert floor.deadline == 29.0


def test_what_a_client_commits_by_itself_leaves_an_undecided_sound_undecided() -> None:
    for before, state in (
        ((), S.HESITATING),
        ((E.AUDIBLE,), S.DUCKED),
    ):
        floor = floor_after(E.RESPONSE_REQUESTED, *before, E.SPEECH_STARTED)
        assert floor.feed(E.SPEECH_NOTED, 1.0) == ()
        assert floor.state is state


def test_an_impossible_event_raises_and_moves_nothing() -> None:
    floor = floor_after(E.SPEECH_STARTED)
    with pytest.raises(ImpossibleEvent, match="speech started"):
        floor.feed(E.SPEECH_STARTED, 1.0)
    assert floor.state is S.HEARING


# --- whatever happens ------------------------------------------------------------------------------------------


class AnyOrder(RuleBasedStateMachine):
    """Feeds every possible event at any time and watches what the floor asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.floor = Floor(LIMITS)
        self.now = 0.0
        self.live: list[RunId] = []
        self.committed: list[RunId] = []
        self.voice = "plain"

    @precondition(lambda self: self.floor.state is not S.CLOSED)
    @rule(
        event=st.sampled_from(FloorEvent),
        facts=st.frozensets(st.sampled_from(Fact)),
        of_an_old_run=st.booleans(),
        after_s=st.floats(0, 20),
    )
    def feed(self, event: FloorEvent, facts: frozenset[Fact], of_an_old_run: bool, after_s: float) -> None:
        if event in IMPOSSIBLE[self.floor.state]:
            return
        self.now += after_s
        turn, revision = self.floor.run
        run = RunId(turn, revision - of_an_old_run)
        late = event in OF_A_RUN and (of_an_old_run or not self.live)
        state = self.floor.state
        if event is E.AUDIBLE and not late:
            assert self.floor.run in self.committed
        commands = self.floor.feed(event, self.now, run if event in OF_A_RUN else None, facts)
        if late:
            assert commands == ()
            assert self.floor.state is state
            return
        if event is E.ANSWERED:
            self.live.pop()
        self.obey(commands)

    @rule(after_s=st.floats(0, 200))
    def tick(self, after_s: float) -> None:
        self.now += after_s
        self.obey(tick(self.floor, self.now))

    def obey(self, commands: tuple[FloorCommand, ...]) -> None:
        for command in commands:
            match command:
                case C.CANCEL | C.DROP:
                    dropped = self.live.pop()
                    assert command is C.CANCEL or dropped not in self.committed
                case C.FLUSH:
                    self.voice = "plain"
                case C.START:
                    self.live.append(self.floor.run)
                case C.COMMIT:
                    self.committed.append(self.live[-1])
                case C.DUCK | C.PAUSE:
                    self.voice = command.value
                case C.RESUME:
                    assert self.voice != "plain"
                    self.voice = "plain"

    @invariant()
    def at_most_one_live_run(self) -> None:
        assert len(self.live) == (self.floor.state in WITH_A_RUN)

    @invariant()
    def at_most_one_response_to_a_turn(self) -> None:
        turns = [run.turn for run in self.committed]
        assert len(turns) == len(set(turns))

    @invariant()
    def a_run_is_held_exactly_until_the_end_is_certain(self) -> None:
        held = bool(self.live) and self.live[0] not in self.committed
        assert held == (self.floor.state is S.ENDING)

    @invariant()
    def the_voice_is_lowered_exactly_while_a_sound_is_undecided(self) -> None:
        assert (self.voice != "plain") == (self.floor.state in OVERLAP)

    @invariant()
    def a_deadline_exactly_while_something_is_waited_for(self) -> None:
        assert (self.floor.deadline is None) == (self.floor.state in (S.LISTENING, S.CLOSED))


AnyOrder.TestCase.settings = settings(max_examples=200, stateful_step_count=40)
TestAnyOrder = AnyOrder.TestCase


def test_the_picture_in_the_docs_is_fresh() -> None:
    checked = subprocess.run(
        [sys.executable, "scripts/draw_turns.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
