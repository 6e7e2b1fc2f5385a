"""What takes the scripted agent more than one turn: a booking, its cancelling, a timer, a sum. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Self, TypeAlias

from stages.demo.script import SCRIPT, Said, read
from stages.demo.slots import find_date, find_duration_s, find_name, find_people, find_sum, find_times
from stages.text.assent import find_yes_or_no, wants_out
from stages.text.phrases import say_date, say_time
from stages.text.plain import plain

_OPEN_HOURS = range(12, 23)
"""In these a time like "7" is meant when a table is wanted."""

_MAYBE_A_NAME = frozenset({None, "book_table", "check_table", "cancel_booking"})
"""A bare name is near nothing, or near the examples about bookings, which have names in them."""


@dataclass(frozen=True, slots=True)
class Call:
    """Call a tool."""

    tool: str
    arguments: Mapping[str, object] = field(default_factory=dict)


Action: TypeAlias = Call | tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class State:
    """The task that is going on, what was asked last, and what is known of a booking."""

    task: str = ""
    asked: str = ""
    people: int | None = None
    day: date | None = None
    at: time | None = None
    name: str | None = None
    found: bool = False
    """A table is known to be free for that."""
    offer: str = ""
    """The times that were offered, as they were said."""

    def wishing(self, **wish: Any) -> Self:
        """The same with what is given now. A different wish has to be checked again."""
        new = replace(self, **{slot: value for slot, value in wish.items() if value})
        return replace(new, found=self.found and new.wish() == self.wish())

    def wish(self) -> Mapping[str, object]:
        """What is known of the table, as the tools have it."""
        at = f"{self.at:%H:%M}" if self.at else None
        return {"date": self.day and self.day.isoformat(), "time": at, "people": self.people}

    def values(self, today: date) -> Mapping[str, str]:
        """What is known, to be filled into a sentence."""
        day = say_date(self.day, today) if self.day else ""
        when = f"{day} at {say_time(self.at)}" if day and self.at and self.task == "booking" else day
        return {"people": str(self.people), "when": when, "name": self.name or ""}


class Tasks:
    """The task at hand, and what is done next about it. Not public: `Dialogue` adds the turns."""

    def __init__(self, now: datetime, skills: str) -> None:
        """`skills` is what the agent can do, as an enumeration to be said."""
        self._now, self._skills = now, skills
        self._state = State()
        self._text = ""
        self._intent: str | None = None

    def _say(self, occasion: str, **values: str) -> tuple[Said, ...]:
        known = self._state.values(self._now.date())
        return (Said(occasion, {"skills": self._skills, **known, **values}),)

    def _book(self) -> Action:
        if self._state.task != "booking":  # otherwise nothing new was said about it
            self._state = self._with_wish(State("booking"))
        return self._go_on()

    def _cancel(self) -> Action:
        whose = find_name(read("whose", self._text) or "", asked=True)
        self._state = self._with_wish(State("cancelling", name=whose))
        return self._go_on()

    def _go_on(self) -> Action:
        """Ask for the first thing missing; look whether a table is free; have it confirmed."""
        state = self._state
        for slot, question in SCRIPT["needs"][state.task].items():
            if not getattr(state, slot):
                return self._say(question) if question else Call("check_table", state.wish())
        cancels = "confirm_cancel_day" if state.day else "confirm_cancel"
        return self._say("confirm" if state.task == "booking" else cancels)

    def _in_task(self) -> Action | None:
        """Go on with the task at hand; None if what was heard is not about it."""
        state, text, answer = self._state, self._text, find_yes_or_no(self._text)
        if state.task not in SCRIPT["needs"]:  # a timer or a sum
            if answer is False or wants_out(text):
                return self._say("dropped")
            action = self._set_timer() if state.task == "timer" else self._calculate()
            return action if isinstance(action, Call) else None
        updated = self._with_wish(state)
        if (
            state.task == "cancelling"
            and self._intent in ("book_table", "check_table")
            and updated.name == state.name
        ):
            return None  # a change of mind
        if updated != state:
            self._state = updated
            return self._go_on()
        offered = state.asked == "offer"
        if offered and (choice := read("choice", text)):
            return self._accept(int(choice))
        if wants_out(text) or (answer is False and not offered):
            return self._say("not_booked" if state.task == "booking" else "dropped")
        if offered and answer is not None:
            return self._accept(0) if answer else self._say("another_time")
        return self._confirmed() if answer and state.asked == "confirmation" else None

    def _confirmed(self) -> Action:
        state, wish = self._state, self._state.wish()
        if not state.name:  # it is asked for last, or was not heard
            return self._say(SCRIPT["needs"][state.task]["name"])
        if state.task == "booking":
            return Call("book_table", {**wish, "name": state.name})
        return Call("cancel_booking", {"name": state.name} | ({"date": wish["date"]} if state.day else {}))

    def _accept(self, index: int) -> Action:
        """The first or the last of the times that were offered."""
        times = [plain(offered) for offered in self._state.offer.split(" or ")]
        accepted = self._with_wish(replace(self._state, asked=""), times[0])
        accepted = self._with_wish(accepted, times[index])  # which may not repeat the day
        if accepted.wish() == self._state.wish():  # the offer was not heard to its end
            return self._say("another_time")
        self._state = accepted
        return self._go_on()

    def _with_wish(self, state: State, offered: str = "") -> State:
        """The state with what was heard, or `offered`, of people, day, time and name."""
        text = offered or self._text
        times = find_times(text, asked=state.asked in ("at", "moment"))
        name_is_due = state.asked == "name" and self._intent in _MAYBE_A_NAME and not wants_out(text)
        return state.wishing(
            people=find_people(text, asked=state.asked == "people"),
            day=find_date(text, self._now.date()),
            at=next((at for at in times if at.hour in _OPEN_HOURS), None) or next(iter(times), None),
            name=find_name(text, asked=name_is_due),
        )

    def _set_timer(self) -> Action:
        text, asked = self._text, self._state.asked == "seconds"
        seconds = find_duration_s(text, asked=asked) or _seconds_until(text, self._now)
        if seconds is None:
            return self._say("how_long")
        label = (read("label", text) or "")[:80]
        return self._call("timer", "set_timer", seconds=seconds, label=label)

    def _calculate(self) -> Action:
        expression = find_sum(self._text)
        if expression is None:
            return self._say("which_sum")
        return self._call("sum", "calculate", expression=expression)

    def _call(self, task: str, tool: str, **arguments: object) -> Call:
        """Call a tool, which ends a task of its kind, and no other."""
        self._state = State() if self._state.task == task else self._state
        return Call(tool, arguments)


def _seconds_until(text: str, now: datetime) -> int | None:
    """Seconds to the next time that a clock shows what was said."""
    today = [now.replace(hour=at.hour, minute=at.minute, second=0) for at in find_times(text)]
    ahead = [moment if moment > now else moment + timedelta(days=1) for moment in today]
    return round((min(ahead) - now).total_seconds()) if ahead else None
