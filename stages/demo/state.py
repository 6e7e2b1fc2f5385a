"""What a conversation with the scripted agent is made of: events in, state between, actions out. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from enum import Enum, auto
from typing import Self, TypeAlias

from stages.demo.slots import find_date, find_time
from stages.demo.wording import Said
from stages.ports import Expects
from stages.text.phrases import say_date, say_time
from stages.text.plain import plain

OPENS, CLOSES = time(12), time(22, 59)
"""Between these a time like "7" is meant when a table is wanted."""

# --- events and actions ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Heard:
    """What the person said, as `plain` text, and its intent if it was understood."""

    text: str
    intent: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A tool's answer to a call; `result` is None when it failed."""

    tool: str
    result: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Told:
    """What the agent said, as far as it was heard, and the last sentence in it that `EXPECTS` knows."""

    text: str
    said: Said | None = None


Event: TypeAlias = Heard | Outcome | Told


@dataclass(frozen=True, slots=True)
class Call:
    """Call a tool."""

    tool: str
    arguments: Mapping[str, object] = field(default_factory=dict)


Action: TypeAlias = Call | tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the agent knows besides the conversation."""

    now: datetime
    tools: frozenset[str]
    skills: str
    """What it can do, as an enumeration to be said."""


# --- state ----------------------------------------------------------------------------------------------


class Task(Enum):
    """What person and agent are in the middle of, if it takes more than one turn."""

    NONE = auto()
    BOOKING = auto()
    CANCELLING = auto()
    TIMER = auto()
    SUM = auto()


class Asked(Enum):
    """What the person was asked last."""

    NOTHING = auto()
    PEOPLE = auto()
    DAY = auto()
    TIME = auto()
    NAME = auto()
    ANOTHER_TIME = auto()
    OFFER = auto()
    CONFIRMATION = auto()
    DURATION = auto()
    SUM = auto()


EXPECTS: Mapping[str, tuple[Task, Asked]] = {
    "ask_people": (Task.BOOKING, Asked.PEOPLE),
    "too_many": (Task.BOOKING, Asked.PEOPLE),
    "ask_day": (Task.BOOKING, Asked.DAY),
    "too_far": (Task.BOOKING, Asked.DAY),
    "full_no_offer": (Task.BOOKING, Asked.DAY),
    "ask_time": (Task.BOOKING, Asked.TIME),
    "another_time": (Task.BOOKING, Asked.ANOTHER_TIME),
    "ask_name": (Task.BOOKING, Asked.NAME),
    "full": (Task.BOOKING, Asked.OFFER),
    "closed": (Task.BOOKING, Asked.OFFER),
    "past": (Task.BOOKING, Asked.OFFER),
    "table_free": (Task.BOOKING, Asked.CONFIRMATION),
    "confirm": (Task.BOOKING, Asked.CONFIRMATION),
    "booked": (Task.NONE, Asked.NOTHING),
    "booked_again": (Task.NONE, Asked.NOTHING),
    "not_booked": (Task.NONE, Asked.NOTHING),
    "ask_cancel_name": (Task.CANCELLING, Asked.NAME),
    "ask_cancel_day": (Task.CANCELLING, Asked.DAY),
    "ask_cancel_which": (Task.CANCELLING, Asked.DAY),
    "confirm_cancel": (Task.CANCELLING, Asked.CONFIRMATION),
    "confirm_cancel_day": (Task.CANCELLING, Asked.CONFIRMATION),
    "cancelled": (Task.NONE, Asked.NOTHING),
    "no_booking": (Task.NONE, Asked.NOTHING),
    "how_long": (Task.TIMER, Asked.DURATION),
    "which_sum": (Task.SUM, Asked.SUM),
    "dropped": (Task.NONE, Asked.NOTHING),
    "failed": (Task.NONE, Asked.NOTHING),
    "goodbye": (Task.NONE, Asked.NOTHING),
}
"""Where the conversation stands after one of these sentences; all other sentences change nothing."""

_KINDS: Mapping[Asked, Expects] = {
    Asked.NOTHING: Expects.FREE,
    Asked.PEOPLE: Expects.NUMBER,
    Asked.DAY: Expects.FREE,
    Asked.TIME: Expects.NUMBER,
    Asked.NAME: Expects.FREE,
    Asked.ANOTHER_TIME: Expects.NUMBER,
    Asked.OFFER: Expects.YES_NO,
    Asked.CONFIRMATION: Expects.YES_NO,
    Asked.DURATION: Expects.NUMBER,
    Asked.SUM: Expects.NUMBER,
}
"""What kind of answer each question asks for."""


def asks_for(said: Said) -> Expects | None:
    """What kind of answer is due after this sentence; None where the sentence is not one of `EXPECTS`."""
    return _KINDS[EXPECTS[said.occasion][1]] if said.occasion in EXPECTS else None


_TABLE_FOUND = frozenset({"ask_name", "table_free", "confirm"})


@dataclass(frozen=True, slots=True)
class Draft:
    """What is known of a booking so far; `found` once a table is known to be free for it."""

    people: int | None = None
    day: date | None = None
    at: time | None = None
    name: str | None = None
    found: bool = False

    def with_wish(self, people: int | None, day: date | None, at: time | None, name: str | None) -> Self:
        """The same with what is given now. A different wish has to be checked again."""
        new = replace(
            self,
            people=people or self.people,
            day=day or self.day,
            at=self.at if at is None else at,
            name=name or self.name,
        )
        wish, new_wish = ((draft.people, draft.day, draft.at) for draft in (self, new))
        return new if wish == new_wish else replace(new, found=False)

    def when(self, today: date) -> str:
        """Day and time in words; both must be known."""
        assert self.day is not None
        assert self.at is not None
        return f"{say_date(self.day, today)} at {say_time(self.at)}"


@dataclass(frozen=True, slots=True)
class State:
    """Where a conversation stands."""

    task: Task = Task.NONE
    asked: Asked = Asked.NOTHING
    draft: Draft = Draft()
    offer: str = ""
    """The time that was offered, as it was said."""
    intent: str | None = None
    """Of what the person said last."""
    last_told: str = ""

    def after(self, said: Said, today: date) -> Self:
        """The state once the agent has said this."""
        if said.occasion not in EXPECTS:
            return self
        task, asked = EXPECTS[said.occasion]
        if task is Task.NONE:
            return replace(self, task=task, asked=asked, draft=Draft(), offer="")
        draft = replace(self._filled(said, today), found=said.occasion in _TABLE_FOUND)
        if said.occasion == "too_many":
            draft = replace(draft, people=None)
        if said.occasion in ("too_far", "full_no_offer"):
            draft = replace(draft, day=None)
        if said.occasion == "another_time":
            draft = replace(draft, day=None, at=None)
        return replace(self, task=task, asked=asked, draft=draft, offer=said.values.get("offer", ""))

    def _filled(self, said: Said, today: date) -> Draft:
        """The draft with what the sentence repeats of it, in case the conversation's beginning is gone."""
        when = plain(said.values.get("when", ""))
        clock = find_time(when)
        people, name = said.values.get("people", ""), said.values.get("name")
        return Draft(
            self.draft.people or (int(people) if people.isdecimal() else None),
            self.draft.day or find_date(when, today),
            clock.at if self.draft.at is None and clock else self.draft.at,
            self.draft.name or name,
        )
