"""What the scripted agent can do besides talking: tell the time, work out sums, keep timers, book a table.

Typed functions in a `ToolRegistry`, as they would be for any model. One registry a session, because timers belong to a
session; the table book behind them is shared. A result names the sentence of the script to `say` and what it is filled
with, in the spelling that a voice reads well.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal, NamedTuple, TypeAlias

from pydantic import Field

from stageflow.tools import Effect, Tool, ToolRegistry
from stages.demo.booking import DAYS_AHEAD, TABLES, Booking, TableBook
from stages.demo.calculator import CalculationError
from stages.demo.calculator import calculate as work_out
from stages.ports import Remind
from stages.text.phrases import say_calendar_date, say_date, say_duration, say_list, say_time

Now: TypeAlias = Callable[[], datetime]
"""The time of day where the person is. The only clock that a skill may read."""

Result: TypeAlias = Mapping[str, object]

MAX_TIMERS = 10
LONGEST_TIMER_S = 24 * 3600

Name = Annotated[str, Field(min_length=1, max_length=80, description="the name the booking is under")]
People = Annotated[int, Field(ge=1, le=1000, description="how many people")]
Day = Annotated[date, Field(description="YYYY-MM-DD")]
Start = Annotated[time, Field(description="HH:MM, 24 hours")]


class _Timer(NamedTuple):
    label: str
    seconds: int
    due: datetime
    take_back: Callable[[], None]


class _Skills:
    def __init__(self, now: Now, remind: Remind, book: TableBook, owner: str) -> None:
        self._now = now
        self._local_now: Now = lambda: now().replace(tzinfo=None)
        self._remind = remind
        self._timers: list[_Timer] = []
        self._book = book
        self._owner = owner

    async def clock(self, tell: Literal["time", "date"] = "time") -> Result:
        """Tell the current time or date."""
        at = self._now()
        date = f"{at:%A}, {say_calendar_date(at.date())}"
        return {"say": tell, "time": say_time(at.time()), "date": date}

    async def calculate(
        self, expression: Annotated[str, Field(description="e.g. (2 + 3) * 4 or 20% of 80")]
    ) -> Result:
        """Work out a sum. Use this for every calculation."""
        try:
            digits, is_exact = work_out(expression)
        except CalculationError as error:
            return {"say": "not_calculated", "error": str(error)}
        return {"say": "calculated" if is_exact else "calculated_about", "result": digits}

    # --- timers ---

    async def set_timer(
        self, seconds: Annotated[int, Field(ge=1)], label: Annotated[str, Field(max_length=80)] = ""
    ) -> Result:
        """Set a timer or a reminder; when it is due it is said aloud. The same one again starts anew."""
        if seconds > LONGEST_TIMER_S:
            return {"say": "timer_refused", "error": "a timer can run for a day at most"}
        same = [timer for timer in self._running() if timer[:2] == (label, seconds)]
        if len(self._timers) - len(same) >= MAX_TIMERS:
            return {"say": "timer_refused", "error": f"{MAX_TIMERS} timers are running, which is the limit"}
        self._drop(same)
        length = say_duration(seconds)
        told = f"Here is your reminder: {label}." if label else f"Your timer is up. It was set for {length}."
        due = self._now() + timedelta(seconds=seconds)
        self._timers.append(_Timer(label, seconds, due, self._remind(seconds, told)))
        return {"say": "reminder_set" if label else "timer_set", "set": length}

    async def list_timers(self) -> Result:
        """Tell which timers are running and how long each has left."""
        now = self._now()
        left = [(timer, say_duration((timer.due - now).total_seconds())) for timer in self._running()]
        if len(left) < 2:
            return {"say": "timer_left", "left": left[0][1]} if left else {"say": "no_timers"}
        each = [f"{timer.label or say_duration(timer.seconds)}, {rest} left" for timer, rest in left]
        return {"say": "timers_left", "count": len(each), "timers": "; ".join(each)}

    async def cancel_timers(self) -> Result:
        """Cancel all timers."""
        gone = list(self._running())
        self._drop(gone)
        say = ("no_timers", "timer_cancelled", "timers_cancelled")[min(len(gone), 2)]
        return {"say": say, "count": len(gone)}

    def _running(self) -> list[_Timer]:
        now = self._now()
        self._timers = [timer for timer in self._timers if timer.due > now]
        return self._timers

    def _drop(self, timers: list[_Timer]) -> None:
        for timer in timers:
            timer.take_back()
            self._timers.remove(timer)

    # --- the restaurant ---

    async def opening_hours(self) -> Result:
        """Tell when the restaurant is open."""
        return {"say": "hours"}

    async def check_table(self, date: Day, time: Start, people: People) -> Result:
        """Tell whether a table is free at the restaurant, and if not, when one is. Books nothing."""
        answer, offer = await self._book.check(_start(date, time), people, self._local_now())
        return {"say": "found"} if answer == "free" else self._refusal(answer, offer)

    async def book_table(self, name: Name, date: Day, time: Start, people: People) -> Result:
        """Book a table at the restaurant. Ask for all four first, and let the person confirm."""
        booking = Booking(name, _start(date, time), people)
        answer, offer = await self._book.book(booking, self._local_now(), self._owner)
        return {"say": answer, **self._said(booking)} if "booked" in answer else self._refusal(answer, offer)

    async def cancel_booking(self, name: Name, date: Day | None = None) -> Result:
        """Cancel a booking at the restaurant. Only if there are several, the date is needed."""
        found = await self._book.cancel(name, self._local_now(), date, self._owner)
        if len(found) == 1:
            return {"say": "cancelled", **self._said(found[0])}
        if not found:
            return {"say": "no_booking", "name": name}
        return {"say": "ask_cancel_day", "bookings": say_list([self._when(each.start) for each in found])}

    def _refusal(self, answer: str, offer: Sequence[datetime]) -> Result:
        """Why there is no table, and "tomorrow at 8 pm or at 9 pm": the day is told once, as it is the same."""
        if not offer and answer in ("full", "closed", "past"):
            return {"say": "full_no_offer"}
        said = [*map(self._when, offer[:1]), *(f"at {say_time(start.time())}" for start in offer[1:])]
        limits = {"most_people": max(TABLES), "days_ahead": DAYS_AHEAD}
        return {"say": answer, "offer": say_list(said, "or"), **limits}

    def _said(self, booking: Booking) -> Result:
        return {"name": booking.name, "people": booking.people, "when": self._when(booking.start)}

    def _when(self, start: datetime) -> str:
        return f"{say_date(start.date(), self._now().date())} at {say_time(start.time())}"


def _start(day: date, at: time) -> datetime:
    """A model may add a zone to a time, but tables have none."""
    return datetime.combine(day, at.replace(second=0, microsecond=0, tzinfo=None))


EFFECTS: Mapping[str, Effect] = {
    "clock": "none", "calculate": "none", "set_timer": "idempotent", "list_timers": "none",
    "cancel_timers": "idempotent", "opening_hours": "none", "check_table": "none", "book_table": "irreversible",
    "cancel_booking": "irreversible",
}  # fmt: skip
_DECLARED = [
    Tool.of(getattr(_Skills.__new__(_Skills), name), effect=effect) for name, effect in EFFECTS.items()
]
"""The skills, bound to nobody's session: to declare them takes some milliseconds and 70 KiB, too much for each."""


def build_skills(*, now: Now, remind: Remind, bookings: TableBook, owner: str = "") -> ToolRegistry:
    """All skills of one session. Bookings are made for `owner`, and nobody else can cancel them."""
    skills = _Skills(now, remind, bookings, owner)
    return ToolRegistry([replace(tool, function=getattr(skills, tool.name)) for tool in _DECLARED])
