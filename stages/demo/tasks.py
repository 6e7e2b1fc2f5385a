"""What takes more than one turn: booking a table, cancelling one, a timer, a sum. Pure.

Each function takes the state and what was heard, and gives the new state and the action; or None if what was
heard has nothing to do with the task.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias

from stages.demo.slots import (
    find_date,
    find_duration_s,
    find_name,
    find_people,
    find_sum,
    find_time,
)
from stages.demo.state import CLOSES, OPENS, Action, Asked, Call, Draft, Heard, State, Surroundings, Task
from stages.demo.wording import Said
from stages.text.assent import find_yes_or_no, wants_out
from stages.text.phrases import say_date
from stages.text.plain import plain

Step: TypeAlias = tuple[State, Action]

_LONGEST_TIMER_S = 24 * 3600
_LABEL = re.compile(
    r"\bremind me (?:to|about|that|of) (?P<label>.+?)(?= (?:in|after|at) (?:\d|an?\b|half)| please$|$)"
)
_LABEL_AFTER = re.compile(
    r"\bremind me (?:in|after) .*?(?:seconds?|minutes?|hours?|and a half) (?:to|about|that) (?P<label>.+)"
)
_WHOSE = re.compile(r"\b(?:reservation|booking|table) (?:for|of) (.+)")
_MAYBE_A_NAME = frozenset({None, "book_table", "check_table", "cancel_booking"})
"""A bare name is near nothing, or near the examples about bookings, which have names in them."""

_CHOICE = re.compile(r"\b(?:(?P<first>1st|first|earlier)|2nd|second|later|last|other)\b(?: one)?")


def in_task(state: State, heard: Heard, around: Surroundings) -> Step | None:
    """Go on with the task at hand; None if what was heard is not about it."""
    return _TASKS[state.task](state, heard, around)


# --- booking a table --------------------------------------------------------------------------------------


def begin_booking(state: State, heard: Heard, around: Surroundings) -> Step:
    """A table is wanted, or asked about; perhaps the same sentence says when and for how many."""
    began = replace(state, task=Task.BOOKING, asked=Asked.NOTHING, draft=Draft(), offer="")
    return next_of_booking(_with_wish(began, heard, around), around)


def next_of_booking(state: State, around: Surroundings) -> Step:
    """Ask for the first thing missing; look whether a table is free; have it confirmed."""
    draft = state.draft
    if draft.people is None:
        return state, (Said("ask_people"),)
    if draft.day is None:
        return state, (Said("ask_day"),)
    if draft.at is None:
        return state, (Said("ask_time"),)
    if not draft.found:
        return state, Call("check_table", _wish(draft))
    values = {"people": str(draft.people), "when": draft.when(around.now.date())}
    if draft.name is None:
        return state, (Said("ask_name", values),)
    return state, (Said("confirm", values | {"name": draft.name}),)


def _booking(state: State, heard: Heard, around: Surroundings) -> Step | None:
    updated = _with_wish(state, heard, around)
    answer = find_yes_or_no(heard.text)
    if updated.draft != state.draft:
        return next_of_booking(updated, around)
    if state.asked is Asked.OFFER and (choice := _CHOICE.search(heard.text)):
        return _accept(state, 0 if choice["first"] else -1, around)
    if wants_out(heard.text) or (answer is False and state.asked is not Asked.OFFER):
        return state, (Said("not_booked"),)
    if answer is None:
        return None
    if state.asked is Asked.CONFIRMATION:
        if state.draft.name is None:
            return state, (Said("ask_name"),)
        return state, Call("book_table", _wish(state.draft) | {"name": state.draft.name})
    if state.asked is Asked.OFFER and not answer:
        return state, (Said("another_time"),)
    return _accept(state, 0, around) if state.asked is Asked.OFFER else None


def _accept(state: State, index: int, around: Surroundings) -> Step:
    """The first or the last of the times that were offered."""
    times = [Heard(plain(offered)) for offered in state.offer.split(" or ")]
    accepted = _with_wish(replace(state, asked=Asked.NOTHING), times[0], around)
    accepted = _with_wish(accepted, times[index], around)  # which may not repeat the day
    if accepted.draft == state.draft:  # the offer was not heard to its end
        return state, (Said("another_time"),)
    return next_of_booking(accepted, around)


def _with_wish(state: State, heard: Heard, around: Surroundings) -> State:
    """The draft with what was heard of people, day, time and name."""
    text, asked, today = heard.text, state.asked, around.now.date()
    clock = find_time(text, asked=asked in (Asked.TIME, Asked.ANOTHER_TIME))
    name_is_due = asked is Asked.NAME and heard.intent in _MAYBE_A_NAME and not wants_out(text)
    wish = state.draft.with_wish(
        people=find_people(text, asked=asked is Asked.PEOPLE),
        day=find_date(text, today),
        at=clock.within(OPENS, CLOSES) if clock else None,
        name=find_name(text, asked=name_is_due),
    )
    return replace(state, draft=wish)


def _wish(draft: Draft) -> dict[str, object]:
    assert draft.day is not None
    assert draft.at is not None
    return {"date": draft.day.isoformat(), "time": f"{draft.at:%H:%M}", "people": draft.people}


# --- cancelling one ---------------------------------------------------------------------------------------


def begin_cancelling(state: State, heard: Heard, around: Surroundings) -> Step:
    """A booking is to be cancelled; perhaps the same sentence says whose."""
    whose = _WHOSE.search(heard.text)
    draft = Draft(name=find_name(whose[1], asked=True) if whose else None)
    began = replace(state, task=Task.CANCELLING, asked=Asked.NOTHING, draft=draft)
    return next_of_cancelling(_with_wish(began, heard, around), around)


def next_of_cancelling(state: State, around: Surroundings) -> Step:
    """Ask whose booking it is, and whether it is meant: it cannot be undone."""
    draft = state.draft
    if draft.name is None:
        return state, (Said("ask_cancel_name"),)
    if draft.day is None:
        return state, (Said("confirm_cancel", {"name": draft.name}),)
    when = say_date(draft.day, around.now.date())
    return state, (Said("confirm_cancel_day", {"name": draft.name, "when": when}),)


def _cancel(state: State) -> Step:
    draft = state.draft
    if draft.name is None:  # the question was there, but not whose booking it was about
        return state, (Said("ask_cancel_name"),)
    day = {} if draft.day is None else {"date": draft.day.isoformat()}
    return state, Call("cancel_booking", {"name": draft.name, **day})


def _cancelling(state: State, heard: Heard, around: Surroundings) -> Step | None:
    updated = _with_wish(state, heard, around)
    if heard.intent in ("book_table", "check_table") and updated.draft.name == state.draft.name:
        return None  # a change of mind
    if updated.draft != state.draft:
        return next_of_cancelling(updated, around)
    if state.asked is Asked.CONFIRMATION and find_yes_or_no(heard.text) and not wants_out(heard.text):
        return _cancel(state)
    if wants_out(heard.text) or find_yes_or_no(heard.text) is False:
        return state, (Said("dropped"),)
    return None


# --- timers and sums --------------------------------------------------------------------------------------


def set_timer(state: State, heard: Heard, around: Surroundings) -> Step:
    """Set a timer, or ask how long it should run."""
    seconds = find_duration_s(heard.text, asked=state.asked is Asked.DURATION) or _until(
        heard.text, around.now
    )
    if seconds is None:
        return state, (Said("how_long"),)
    if seconds > _LONGEST_TIMER_S:
        return state, (Said("timer_refused", {"error": "a timer can run for a day at most"}),)
    label = _LABEL.search(heard.text) or _LABEL_AFTER.search(heard.text)
    done = replace(state, task=Task.NONE, asked=Asked.NOTHING) if state.task is Task.TIMER else state
    return done, Call("set_timer", {"seconds": seconds, "label": label["label"][:80] if label else ""})


def _until(text: str, now: datetime) -> int | None:
    """Seconds to the next time that a clock shows what was said."""
    clock = find_time(text)
    if clock is None:
        return None
    hours = (0,) if clock.certain else (0, 12)
    today = [
        now.replace(hour=(clock.at.hour + more) % 24, minute=clock.at.minute, second=0) for more in hours
    ]
    ahead = [moment if moment > now else moment + timedelta(days=1) for moment in today]
    return round((min(ahead) - now).total_seconds())


def _timer(state: State, heard: Heard, around: Surroundings) -> Step | None:
    if wants_out(heard.text) or find_yes_or_no(heard.text) is False:
        return state, (Said("dropped"),)
    is_about_it = find_duration_s(heard.text, asked=True) or _until(heard.text, around.now)
    return set_timer(state, heard, around) if is_about_it else None


def calculate(state: State, heard: Heard, _: Surroundings) -> Step:
    """Work out a sum, or ask which."""
    expression = find_sum(heard.text)
    if expression is None:
        return state, (Said("which_sum"),)
    done = replace(state, task=Task.NONE, asked=Asked.NOTHING) if state.task is Task.SUM else state
    return done, Call("calculate", {"expression": expression})


def _sum(state: State, heard: Heard, around: Surroundings) -> Step | None:
    if wants_out(heard.text) or find_yes_or_no(heard.text) is False:
        return state, (Said("dropped"),)
    return calculate(state, heard, around) if find_sum(heard.text) else None


_TASKS: Mapping[Task, Callable[[State, Heard, Surroundings], Step | None]] = {
    Task.NONE: lambda state, heard, around: None,
    Task.BOOKING: _booking,
    Task.CANCELLING: _cancelling,
    Task.TIMER: _timer,
    Task.SUM: _sum,
}
