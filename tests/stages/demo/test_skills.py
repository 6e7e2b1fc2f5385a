"""The skills through their registry, as a model calls them: results, bounds and effects."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import anyio.to_thread
import pytest

from stageflow.tools import ToolCall, ToolRegistry
from stages.demo.booking import TableBook
from stages.demo.skills import MAX_TIMERS, build_skills

MONDAY_AT_10 = datetime.fromisoformat("2026-11-23 10:00+01:00")


@dataclass
class Desk:
    """What a session gives its skills: a clock that is set by hand, and reminders that are only noted."""

    time: datetime = MONDAY_AT_10
    reminders: dict[float, str] = field(default_factory=dict)

    def now(self) -> datetime:
        return self.time

    def remind(self, delay_s: float, text: str) -> Any:
        self.reminders[delay_s] = text
        return lambda: self.reminders.pop(delay_s, None)


@asynccontextmanager
async def skills(desk: Desk | None = None) -> AsyncIterator[ToolRegistry]:
    desk = desk or Desk()
    book = TableBook()
    try:
        yield build_skills(now=desk.now, remind=desk.remind, bookings=book)
    finally:
        await anyio.to_thread.run_sync(book.close)


async def call(registry: ToolRegistry, tool: str, /, **arguments: object) -> Any:
    result = await registry.execute(ToolCall("1", tool, json.dumps(arguments)))
    assert result.ok, result.text
    return json.loads(result.text)


async def test_effects_are_declared() -> None:
    async with skills() as registry:
        effects = {tool.name: tool.effect for tool in registry.tools}
    assert effects == {
        "clock": "none",
        "calculate": "none",
        "set_timer": "idempotent",
        "list_timers": "none",
        "cancel_timers": "idempotent",
        "opening_hours": "none",
        "check_table": "none",
        "book_table": "irreversible",
        "cancel_booking": "irreversible",
    }


async def test_the_clock_is_the_one_that_was_given() -> None:
    async with skills() as registry:
        told = await call(registry, "clock")
        assert (await call(registry, "clock", tell="date"))["say"] == "date"
    assert told == {"say": "time", "time": "10 am", "date": "Monday, November 23rd"}


async def test_sums_are_worked_out_or_refused_with_a_reason() -> None:
    async with skills() as registry:
        told = await call(registry, "calculate", expression="20% of 80")
        assert told == {"say": "calculated", "result": "16"}
        assert (await call(registry, "calculate", expression="10 / 3"))["say"] == "calculated_about"
        assert "zero" in (await call(registry, "calculate", expression="1 / 0"))["error"]


# --- timers -----------------------------------------------------------------------------------------------


async def test_a_timer_reminds_and_counts_down() -> None:
    desk = Desk()
    async with skills(desk) as registry:
        assert await call(registry, "set_timer", seconds=300) == {"say": "timer_set", "set": "5 minutes"}
        await call(registry, "set_timer", seconds=600, label="call mom")
        assert desk.reminders == {
            300: "Your timer is up. It was set for 5 minutes.",
            600: "Here is your reminder: call mom.",
        }
        desk.time += timedelta(seconds=90)
        timers = (await call(registry, "list_timers"))["timers"]
        assert timers == "5 minutes, 3 minutes and 30 seconds left; call mom, 8 minutes and 30 seconds left"
        desk.time += timedelta(seconds=300)
        assert await call(registry, "list_timers") == {
            "say": "timer_left",
            "left": "3 minutes and 30 seconds",
        }


async def test_the_same_timer_again_starts_anew() -> None:
    desk = Desk()
    async with skills(desk) as registry:
        await call(registry, "set_timer", seconds=300)
        desk.time += timedelta(seconds=60)
        await call(registry, "set_timer", seconds=300)
        assert (await call(registry, "list_timers"))["left"] == "5 minutes"
    assert len(desk.reminders) == 1


async def test_cancelled_timers_do_not_remind() -> None:
    desk = Desk()
    async with skills(desk) as registry:
        await call(registry, "set_timer", seconds=60, label="tea")
        await call(registry, "set_timer", seconds=120, label="eggs")
        assert await call(registry, "cancel_timers") == {"say": "timers_cancelled", "count": 2}
        assert await call(registry, "cancel_timers") == {"say": "no_timers", "count": 0}
    assert desk.reminders == {}


async def test_timers_are_bounded() -> None:
    async with skills() as registry:
        for number in range(MAX_TIMERS):
            await call(registry, "set_timer", seconds=60 + number)
        assert "limit" in (await call(registry, "set_timer", seconds=1000))["error"]
        assert "set" in await call(registry, "set_timer", seconds=60)
        assert "a day" in (await call(registry, "set_timer", seconds=100_000))["error"]
        for seconds in (0, -5):
            assert not (await registry.execute(ToolCall("1", "set_timer", f'{{"seconds": {seconds}}}'))).ok


async def test_sessions_do_not_share_timers() -> None:
    async with skills() as one, skills() as other:
        await call(one, "set_timer", seconds=60)
        assert await call(other, "list_timers") == {"say": "no_timers"}


# --- the restaurant ---------------------------------------------------------------------------------------


async def test_a_table_is_checked_booked_and_cancelled() -> None:
    wish = {"date": "2026-11-27", "time": "19:00", "people": 4}
    async with skills() as registry:
        assert await call(registry, "check_table", **wish) == {"say": "found"}
        booked = await call(registry, "book_table", name="Anna", **wish)
        assert booked == {"say": "booked", "name": "Anna", "people": 4, "when": "on Friday at 7 pm"}
        assert (await call(registry, "book_table", name="Anna", **wish))["say"] == "booked_again"
        cancelled = await call(registry, "cancel_booking", name="anna")
        assert (cancelled["say"], cancelled["when"]) == ("cancelled", "on Friday at 7 pm")
        assert await call(registry, "cancel_booking", name="anna") == {"say": "no_booking", "name": "anna"}


async def test_of_several_bookings_the_day_is_asked() -> None:
    async with skills() as registry:
        for day in (27, 28):
            await call(registry, "book_table", name="Anna", date=f"2026-11-{day}", time="19:00", people=2)
        several = await call(registry, "cancel_booking", name="Anna")
    assert several == {"say": "ask_cancel_day", "bookings": "on Friday at 7 pm and on Saturday at 7 pm"}


async def test_a_day_off_is_told_with_the_next_chance() -> None:
    async with skills() as registry:
        offer = await call(registry, "check_table", date="2026-11-23", time="19:00", people=2)
    assert (offer["say"], offer["offer"]) == ("closed", "tomorrow at 7 pm or at 6:30 pm")


async def test_the_limits_are_told() -> None:
    async with skills() as registry:
        many = await call(registry, "check_table", date="2026-11-24", time="19:00", people=20)
        assert (many["say"], many["most_people"]) == ("too_many", 8)
        far = await call(registry, "check_table", date="2027-11-24", time="19:00", people=2)
        assert (far["say"], far["days_ahead"]) == ("too_far", 60)


@pytest.mark.parametrize(
    "arguments",
    [
        {"date": "soon", "time": "19:00", "people": 2},
        {"date": "2026-11-27", "time": "late", "people": 2},
        {"date": "2026-11-27", "time": "19:00", "people": 0},
        {"date": "2026-11-27", "time": "19:00"},
    ],
)
async def test_arguments_that_make_no_sense_are_refused(arguments: dict[str, object]) -> None:
    async with skills() as registry:
        result = await registry.execute(ToolCall("1", "check_table", arguments))
    assert result.error == "bad_arguments"


async def test_a_zone_that_a_model_adds_to_a_time_is_ignored() -> None:
    async with skills() as registry:
        wish = {"date": "2026-11-27", "time": "19:00:00Z", "people": 4}
        assert await call(registry, "check_table", **wish) == {"say": "found"}


async def test_skills_are_declared_once_a_process_and_bound_to_each_session() -> None:
    async with skills() as one, skills() as other:
        for mine, theirs in zip(one.tools, other.tools, strict=True):
            assert mine.parameters is theirs.parameters
            assert mine.function != theirs.function
