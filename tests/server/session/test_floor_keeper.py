"""How the floor is obeyed: one event after the other, and what cannot happen hurts nobody."""

import dataclasses
import logging

import anyio
import pytest

from server.response.requests import RequestContext
from server.session.turn_reports import NoObserver
from server.turntaking.floor import ImpossibleEvent
from server.turntaking.floor_table import FloorEvent, State
from server.turntaking.happened import Happened
from server.turntaking.overlaps import SpeechContext
from tests.support.stage import Stage, play

IMPOSSIBLE = Happened(FloorEvent.KEPT_WAITING)
"""While nobody waits."""


class Counting(NoObserver):
    def __init__(self) -> None:
        self.impossible: list[tuple[State, FloorEvent]] = []

    def impossible_event(self, state: State, event: FloorEvent) -> None:
        self.impossible.append((state, event))


def stage_that(counting: Counting, *, raises: bool) -> Stage:
    return Stage("Hello.", observer=counting, raises_impossible=raises)


def test_in_production_an_impossible_event_is_counted_and_the_session_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    counting = Counting()

    async def story(stage: Stage) -> None:
        await anyio.sleep(0.1)
        stage.session.feed(IMPOSSIBLE)
        stage.ask("hello")
        await stage.wire.until("response.done")

    with caplog.at_level(logging.ERROR):
        stage = play(lambda: stage_that(counting, raises=False), story)
    assert counting.impossible == [(State.LISTENING, FloorEvent.KEPT_WAITING)]
    assert [record.message for record in caplog.records] == [
        "ignored: <FloorEvent.KEPT_WAITING: 'kept waiting'> in <State.LISTENING: 'listening'>"
    ]
    assert stage.wire.closed == (1000, "")


def test_in_tests_it_is_raised_and_the_floor_goes_on_all_the_same() -> None:
    async def story(stage: Stage) -> None:
        await anyio.sleep(0.1)
        with pytest.raises(ImpossibleEvent):
            stage.session.feed(IMPOSSIBLE)
        stage.ask("hello")
        await stage.wire.until("response.done")

    counting = Counting()
    play(lambda: stage_that(counting, raises=True), story)
    assert len(counting.impossible) == 1


def test_what_happens_while_the_floor_is_obeyed_waits_until_that_is_done() -> None:
    order: list[str] = []

    class Nested(Counting):
        """Feeds another event from within the first."""

        stage: Stage

        def impossible_event(self, state: State, event: FloorEvent) -> None:
            super().impossible_event(state, event)
            if len(self.impossible) == 1:
                self.stage.session.feed(IMPOSSIBLE)
                order.append("first is done with")
            else:
                order.append("second")

    counting = Nested()

    async def story(stage: Stage) -> None:
        counting.stage = stage
        await anyio.sleep(0.1)
        stage.session.feed(IMPOSSIBLE)

    play(lambda: stage_that(counting, raises=False), story)
    assert order == ["first is done with", "second"]


def test_who_feeds_events_cannot_look_at_the_state_that_they_meet() -> None:
    for context in (RequestContext, SpeechContext):
        assert "floor" not in {field.name for field in dataclasses.fields(context)}
