"""What is said when a tool has answered. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from stages.demo.state import Outcome, State, Surroundings
from stages.demo.tasks import Step, next_of_booking
from stages.demo.wording import Said
from stages.text.phrases import say_list

Result: TypeAlias = Mapping[str, Any]
"""A tool's result, as JSON has it. Whoever shares the tool's name with ours must share its shape."""


def after_tool(state: State, outcome: Outcome, around: Surroundings) -> Step:
    """Put the outcome into words; an outcome that is not as expected counts as a failure."""
    word = _OUTCOMES.get(outcome.tool)
    if word is None or outcome.result is None:
        return state, (Said("failed"),)
    try:
        return word(state, outcome.result, around)
    except (KeyError, IndexError, TypeError, ValueError):
        return state, (Said("failed"),)


def _clock(state: State, result: Result, _: Surroundings) -> Step:
    occasion = "date" if state.intent == "date" else "time"
    return state, (Said(occasion, {"time": result["time"], "date": result["date"]}),)


def _calculate(state: State, result: Result, _: Surroundings) -> Step:
    if "error" in result:
        return state, (Said("not_calculated", {"error": result["error"]}),)
    occasion = "calculated" if result["exact"] else "calculated_about"
    return state, (Said(occasion, {"result": result["result"]}),)


def _set_timer(state: State, result: Result, _: Surroundings) -> Step:
    if "error" in result:
        return state, (Said("timer_refused", {"error": result["error"]}),)
    return state, (Said("reminder_set" if result["label"] else "timer_set", {"set": result["set"]}),)


def _list_timers(state: State, result: Result, _: Surroundings) -> Step:
    timers: Sequence[Result] = result["timers"]
    if not timers:
        return state, (Said("no_timers"),)
    if len(timers) == 1:
        return state, (Said("timer_left", {"left": timers[0]["left"]}),)
    each = [f"{timer['label'] or timer['length']}, {timer['left']} left" for timer in timers]
    return state, (Said("timers_left", {"count": str(len(timers)), "timers": "; ".join(each)}),)


def _cancel_timers(state: State, result: Result, _: Surroundings) -> Step:
    count = len(result["cancelled"])
    occasion = ("no_timers", "timer_cancelled", "timers_cancelled")[min(count, 2)]
    return state, (Said(occasion, {"count": str(count)}),)


def _opening_hours(state: State, result: Result, _: Surroundings) -> Step:
    return state, (Said("hours", {"hours": result["hours"]}),)


def _check_table(state: State, result: Result, around: Surroundings) -> Step:
    if result["answer"] != "free":
        return state, (_refusal(result),)
    found = replace(state, draft=replace(state.draft, found=True))
    if state.draft.name is not None:
        return next_of_booking(found, around)
    if state.intent != "check_table":
        return found, (Said("found"), Said("ask_name"))
    values = {"people": str(state.draft.people), "when": state.draft.when(around.now.date())}
    return found, (Said("table_free", values),)


def _book_table(state: State, result: Result, _: Surroundings) -> Step:
    if result["answer"] != "booked":
        return state, (_refusal(result),)
    booking: Result = result["booking"]
    values = {"people": str(booking["people"]), "when": booking["said"], "name": booking["name"]}
    return state, (Said("booked_again" if result["again"] else "booked", values),)


def _refusal(result: Result) -> Said:
    offer = _offer(result.get("alternatives", ()))
    match result["answer"]:
        case "too_many":
            return Said("too_many", {"most_people": str(result["most_people"])})
        case "too_far":
            return Said("too_far", {"days_ahead": str(result["days_ahead"])})
        case "full" | "closed" | "past" as answer if offer:
            return Said(answer, {"offer": offer})
        case "full" | "closed" | "past":
            return Said("full_no_offer")
        case answer:
            raise ValueError(f"unknown answer {answer!r}")


def _offer(alternatives: Sequence[Result]) -> str:
    """ "tomorrow at 8 pm or at 9 pm": the day is told once if it is the same."""
    said = [alternative["said"] for alternative in alternatives]
    days = [alternative["date"] for alternative in alternatives]
    same = [day == days[0] for day in days]
    later = [
        f"at {moment.rpartition(' at ')[2]}" if again else moment
        for moment, again in zip(said, same, strict=True)
    ]
    return say_list([*said[:1], *later[1:]], "or")


def _cancel_booking(state: State, result: Result, _: Surroundings) -> Step:
    bookings: Sequence[Result] = result["bookings"]
    if result["answer"] == "several":
        return state, (
            Said("ask_cancel_day", {"bookings": say_list([booking["said"] for booking in bookings])}),
        )
    if not bookings:
        return state, (Said("no_booking", {"name": state.draft.name or "yours"}),)
    values = {"people": str(bookings[0]["people"]), "when": bookings[0]["said"]}
    return state, (Said("cancelled", values),)


_OUTCOMES: Mapping[str, Callable[[State, Result, Surroundings], Step]] = {
    "clock": _clock,
    "calculate": _calculate,
    "set_timer": _set_timer,
    "list_timers": _list_timers,
    "cancel_timers": _cancel_timers,
    "opening_hours": _opening_hours,
    "check_table": _check_table,
    "book_table": _book_table,
    "cancel_booking": _cancel_booking,
}
