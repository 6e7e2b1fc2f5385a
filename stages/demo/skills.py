"""What the agents can do besides talking: tell the time, work out sums, keep timers, book a table.

Typed functions in a `ToolRegistry`, the same for the scripted agent and for any chat model. One registry a
session, because timers belong to a session; the table book behind them is shared. Results are JSON objects
that hold what is to be said in the spelling that a voice reads well.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Annotated, TypeAlias

from pydantic import Field

from stageflow.tools import Effect, Tool, ToolFunction, ToolRegistry
from stages.demo.booking import Availability, Booking, Restaurant, TableBook
from stages.demo.calculator import CalculationError
from stages.demo.calculator import calculate as work_out
from stages.ports import Remind
from stages.text.phrases import say_calendar_date, say_date, say_duration, say_list, say_time

Now: TypeAlias = Callable[[], datetime]
"""The time of day where the person is. The only clock that a skill may read."""

Result: TypeAlias = Mapping[str, object]

MAX_TIMERS = 10
LONGEST_TIMER_S = 24 * 3600

Seconds = Annotated[int, Field(ge=1, le=LONGEST_TIMER_S, description="duration in seconds")]
Label = Annotated[str, Field(max_length=80, description="what it is for, in a few words; may be empty")]
Name = Annotated[str, Field(min_length=1, max_length=80, description="the name the booking is under")]
People = Annotated[int, Field(ge=1, le=1000, description="how many people")]
Day = Annotated[date, Field(description="YYYY-MM-DD")]
Start = Annotated[time, Field(description="HH:MM, 24 hours")]


def build_skills(*, now: Now, remind: Remind, bookings: TableBook, owner: str = "") -> ToolRegistry:
    """All skills of one session. Bookings are made for `owner`, and nobody else can cancel them."""
    clock, timers, tables = _Clock(now), _Timers(now, remind), _Tables(now, bookings, owner)
    return ToolRegistry(
        [
            _tool(clock.clock, "none"),
            _tool(calculate, "none"),
            _tool(timers.set_timer, "idempotent"),
            _tool(timers.list_timers, "none"),
            _tool(timers.cancel_timers, "idempotent"),
            _tool(tables.opening_hours, "none"),
            _tool(tables.check_table, "none"),
            _tool(tables.book_table, "irreversible"),
            _tool(tables.cancel_booking, "irreversible"),
        ]
    )


_DECLARED: dict[object, Tool] = {}
"""The skills as they are declared, by their functions: that takes some milliseconds and 70 KiB, too much a session."""


def _tool(function: ToolFunction, effect: Effect) -> Tool:
    """The tool of a function, or of a method as it is bound; declared once a process."""
    plain = getattr(function, "__func__", function)
    if plain not in _DECLARED:
        _DECLARED[plain] = replace(
            Tool.of(function, effect=effect), function=plain
        )  # no session lives on in it
    return replace(_DECLARED[plain], function=function)


class _Clock:
    def __init__(self, now: Now) -> None:
        self._now = now

    async def clock(self) -> Result:
        """Tell the current time and date."""
        at = self._now()
        return {
            "time": say_time(at.time()),
            "date": f"{at:%A}, {say_calendar_date(at.date())}",
            "iso": at.isoformat(),
        }


async def calculate(
    expression: Annotated[
        str, Field(description="numbers with + - * / ^ % ( ), e.g. (2 + 3) * 4 or 20% of 80")
    ],
) -> Result:
    """Work out a sum. Use this for every calculation."""
    try:
        answer = work_out(expression)
    except CalculationError as error:
        return {"error": str(error)}
    return {"result": answer.digits, "exact": answer.exact}


# --- timers -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Timer:
    label: str
    seconds: int
    due: datetime
    take_back: Callable[[], None]


class _Timers:
    def __init__(self, now: Now, remind: Remind) -> None:
        self._now = now
        self._remind = remind
        self._timers: list[_Timer] = []

    async def set_timer(self, seconds: Seconds, label: Label = "") -> Result:
        """Set a timer or a reminder; when it is due it is said aloud. The same one again starts anew."""
        running = self._running()
        same = [timer for timer in running if (timer.label, timer.seconds) == (label, seconds)]
        if len(running) - len(same) >= MAX_TIMERS:
            return {"error": f"there are {MAX_TIMERS} timers already, which is the limit"}
        self._drop(same)
        take_back = self._remind(seconds, _reminder(label, seconds))
        self._timers.append(_Timer(label, seconds, self._now() + timedelta(seconds=seconds), take_back))
        return {"set": say_duration(seconds), "label": label}

    async def list_timers(self) -> Result:
        """Tell which timers are running and how long each has left."""
        now = self._now()
        return {
            "timers": [
                {
                    "label": timer.label,
                    "length": say_duration(timer.seconds),
                    "left": say_duration((timer.due - now).total_seconds()),
                }
                for timer in self._running()
            ]
        }

    async def cancel_timers(self, label: Label = "") -> Result:
        """Cancel the timers with this label, or all timers if no label is given."""
        gone = [timer for timer in self._running() if not label or label.casefold() in timer.label.casefold()]
        self._drop(gone)
        return {"cancelled": [timer.label or say_duration(timer.seconds) for timer in gone]}

    def _running(self) -> Sequence[_Timer]:
        now = self._now()
        self._timers = [timer for timer in self._timers if timer.due > now]
        return self._timers

    def _drop(self, timers: Sequence[_Timer]) -> None:
        for timer in timers:
            timer.take_back()
        self._timers = [timer for timer in self._timers if timer not in timers]


def _reminder(label: str, seconds: int) -> str:
    if label:
        return f"Here is your reminder: {label}."
    return f"Your timer is up. It was set for {say_duration(seconds)}."


# --- the restaurant ---------------------------------------------------------------------------------------


class _Tables:
    def __init__(self, now: Now, book: TableBook, owner: str) -> None:
        self._now = now
        self._book = book
        self._owner = owner

    async def opening_hours(self) -> Result:
        """Tell when the restaurant is open."""
        return {"hours": say_hours(self._book.restaurant)}

    async def check_table(self, date: Day, time: Start, people: People) -> Result:
        """Tell whether a table is free at the restaurant, and if not, when one is. Books nothing."""
        availability = await self._book.check(datetime.combine(date, _naive(time)), people, self._local_now())
        return self._offer(availability)

    async def book_table(self, name: Name, date: Day, time: Start, people: People) -> Result:
        """Book a table at the restaurant. Ask for all four first, and let the person confirm."""
        start = datetime.combine(date, _naive(time))
        booked = await self._book.book(name, start, people, self._local_now(), self._owner)
        if booked.booking is None:
            return self._offer(booked.availability)
        return {"answer": "booked", "booking": self._booking(booked.booking), "again": booked.again}

    async def cancel_booking(self, name: Name, date: Day | None = None) -> Result:
        """Cancel a booking at the restaurant. Only if there are several, the date is needed."""
        found = await self._book.cancel(name, self._local_now(), date, self._owner)
        answer = ("none", "cancelled", "several")[min(len(found), 2)]
        return {"answer": answer, "bookings": [self._booking(booking) for booking in found]}

    def _local_now(self) -> datetime:
        return self._now().replace(tzinfo=None)

    def _offer(self, availability: Availability) -> Result:
        offer: dict[str, object] = {"answer": availability.answer}
        if availability.alternatives:
            offer["alternatives"] = [self._moment(start) for start in availability.alternatives]
        if availability.answer == "closed":
            offer["hours"] = say_hours(self._book.restaurant)
        if availability.answer == "too_many":
            offer["most_people"] = self._book.restaurant.largest_table
        if availability.answer == "too_far":
            offer["days_ahead"] = self._book.restaurant.days_ahead
        return offer

    def _booking(self, booking: Booking) -> Result:
        return {"name": booking.name, "people": booking.people, **self._moment(booking.start)}

    def _moment(self, start: datetime) -> Result:
        said = f"{say_date(start.date(), self._local_now().date())} at {say_time(start.time())}"
        return {"date": f"{start:%Y-%m-%d}", "time": f"{start:%H:%M}", "said": said}


def _naive(at: time) -> time:
    """A model may add a zone to a time, but tables have none."""
    return at.replace(second=0, microsecond=0, tzinfo=None)


def say_hours(restaurant: Restaurant) -> str:
    """ "Tuesday to Thursday from noon to 10 pm, Friday and Saturday from …", and the days off last."""
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    runs: list[list[int]] = []
    for day in sorted(restaurant.hours):
        if runs and runs[-1][-1] == day - 1 and restaurant.hours[day] == restaurant.hours[runs[-1][0]]:
            runs[-1].append(day)
        else:
            runs.append([day])
    parts = []
    for run in runs:
        opens, closes = restaurant.hours[run[0]]
        days = (
            f"{names[run[0]]} to {names[run[-1]]}" if len(run) > 2 else say_list([names[day] for day in run])
        )
        parts.append(f"{days} from {say_time(opens)} to {say_time(closes)}")
    closed = [names[day] for day in range(7) if day not in restaurant.hours]
    return say_list([*parts, f"closed on {say_list(closed)}"] if closed else parts)
