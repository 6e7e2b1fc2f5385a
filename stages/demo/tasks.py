"""What takes the scripted agent more than one turn: a booking, its cancelling, a timer, a sum. Pure.

The script says of each task what has to be known (its slots, which are called as the tools' arguments), what asks for
it, what has it confirmed, and which tool does it then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from typing import Any, TypeAlias

from stages.demo.script import SCRIPT, WORDING, AgentSentence
from stages.demo.slots import heard_slots
from stages.text.assent import find_yes_or_no, wants_out
from stages.text.phrases import say_date, say_time
from stages.text.plain import plain

_OF_TABLES = ("book_table", "check_table")
_MAYBE_A_NAME = frozenset({None, *_OF_TABLES, "cancel_booking"})
"""A bare name is near nothing, or near the examples about bookings, which have names in them."""


@dataclass(frozen=True, slots=True)
class Call:
    """Call a tool."""

    tool: str
    arguments: Mapping[str, object] = field(default_factory=dict)


Action: TypeAlias = Call | tuple[AgentSentence, ...]


@dataclass(frozen=True, slots=True)
class TaskState:
    """The task that is going on, what was asked last, and what is known."""

    task: str = ""
    asked: str = ""
    known: Mapping[str, Any] = field(default_factory=dict)
    """By slot, as the tools have it; `found` if a table is known to be free for that."""
    offer: str = ""
    """The times that were offered, as they were said."""

    def calls(self, tool: str) -> Call:
        """The call with what it takes of what is known."""
        taken = SCRIPT["takes"][tool]
        return Call(tool, {slot: value for slot, value in self.known.items() if slot in taken})

    def values(self, today: date) -> Mapping[str, str]:
        """What is known, to be filled into a sentence."""
        day, at = self.known.get("date"), self.known.get("time")
        when = say_date(date.fromisoformat(day), today) if day else ""
        if day and at and self.task == "booking":
            when += f" at {say_time(time.fromisoformat(at))}"
        return {"people": str(self.known.get("people")), "when": when, "name": self.known.get("name", "")}


class Tasks:
    """The task at hand, and what is done next about it. Not public: `Dialogue` adds the turns."""

    def __init__(self, now: datetime, skills: str) -> None:
        """`skills` is what the agent can do, as an enumeration to be said."""
        self._now, self._skills = now, skills
        self._state = TaskState()
        self._text = ""
        self._intent: str | None = None

    def _say(self, occasion: str, **values: str) -> tuple[AgentSentence, ...]:
        known = self._state.values(self._now.date())
        return (AgentSentence(occasion, {"skills": self._skills, **known, **values}),)

    def _begin(self, task: str) -> Action:
        """Begin a task, or go on with it, by what was said about it."""
        return self._go_on(self._with_wish(self._state if self._state.task == task else TaskState(task)))

    def _go_on(self, state: TaskState) -> Action:
        """Ask for the first thing missing; look whether a table is free; have it confirmed, or do it."""
        task = SCRIPT["tasks"][state.task]
        missing = next((slot for slot in task["needs"] if not state.known.get(slot)), None)
        if missing is None and "confirm" not in task:  # which ends a task of its kind, and no other
            self._state = TaskState() if self._state.task == state.task else self._state
            return state.calls(task["tool"])
        self._state = state
        if missing == "found":
            return state.calls("check_table")
        dated = "confirm_dated" if "date" in state.known else "confirm"
        return self._say(task["needs"][missing] if missing else task[dated])

    def _in_task(self) -> Action | None:
        """Go on with the task at hand; None if what was heard is not about it."""
        state, text, answer = self._state, self._text, find_yes_or_no(self._text)
        updated = self._with_wish(state)
        is_same_name = updated.known.get("name") == state.known.get("name")
        if state.task == "cancelling" and self._intent in _OF_TABLES and is_same_name:
            return None  # a change of mind
        if updated != state:
            return self._go_on(updated)
        offered = state.asked == "offer"
        if offered and (choice := WORDING.read("choice", text)):
            return self._accept(int(choice))
        if wants_out(text) or (answer is False and not offered):
            return self._say("not_booked" if state.task == "booking" else "dropped")
        if offered and answer is not None:
            return self._accept(0) if answer else self._say("another_time")
        if not answer or state.asked != "confirmation":
            return None
        task = SCRIPT["tasks"][state.task]  # the name is asked for last, or was not heard
        return state.calls(task["tool"]) if state.known.get("name") else self._say(task["needs"]["name"])

    def _accept(self, index: int) -> Action:
        """The first or the last of the times that were offered."""
        times = [plain(offered) for offered in self._state.offer.split(" or ")]
        accepted = self._with_wish(replace(self._state, asked=""), times[0])
        accepted = self._with_wish(accepted, times[index])  # which may not repeat the day
        if accepted.known == self._state.known:  # the offer was not heard to its end
            return self._say("another_time")
        return self._go_on(accepted)

    def _with_wish(self, state: TaskState, offered: str = "") -> TaskState:
        """The state with what was heard, or `offered`, of its slots. Another table has to be looked for again."""
        asked = state.asked
        if asked == "name" and (self._intent not in _MAYBE_A_NAME or wants_out(self._text)):
            asked = ""
        slots = SCRIPT["takes"][SCRIPT["tasks"][state.task]["tool"]]
        wish = heard_slots(slots, offered or self._text, asked, self._now)
        if state.task == "cancelling" and not asked:
            wish = heard_slots(("name",), WORDING.read("whose", self._text) or "", "name", self._now) | wish
        known = {**state.known, **wish}
        if any(known.get(slot) != state.known.get(slot) for slot in ("date", "time", "people")):
            known.pop("found", None)
        return replace(state, known=known)
