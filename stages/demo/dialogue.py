"""What the scripted agent does next in a conversation: say something, or call a tool. Pure.

Theory of operation. The agent is shared by all sessions and keeps nothing, so a conversation is gone
through from its beginning every time, event by event: what was heard, what a tool answered, what was told.
Each step gives a state and an action, and only the last action is carried out. What the agent asked last
comes from two sides: from its own decision, and from the sentence found in the history, which also knows
what a tool answered in an earlier turn. Where they differ, the sentence is right.

What the person says goes, in this order, to a rule that needs no guessing (a sum, a duration for a timer),
to the task at hand, and to its intent. What is none of the task's business is answered, and the task's
question is put again. What is not understood is never guessed at.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias, assert_never

from stages.demo.outcomes import after_tool
from stages.demo.slots import find_duration_s, find_sum, find_time
from stages.demo.state import (
    EXPECTS,
    Action,
    Asked,
    Call,
    Event,
    Heard,
    Outcome,
    State,
    Surroundings,
    Task,
    Told,
)
from stages.demo.tasks import (
    Step,
    begin_booking,
    begin_cancelling,
    calculate,
    in_task,
    next_of_booking,
    next_of_cancelling,
    set_timer,
)
from stages.demo.wording import Said
from stages.text.assent import find_yes_or_no, wants_out

REPEATING = "I said: "
"""How a repetition begins, so that one of a repetition does not begin so twice."""

YES, NO, NOISE = "yes", "no", "noise"
"""Intents that are found by rule alone, and mean something only in their place."""

_NOISE = re.compile(r"(?:(?:u+h+|u+m+|h+m+|er+m?|ah+|oh|eh|mm+|you|the|a|and|so|but|well|[^\w\s])(?: |$))*")
_ABOUT_TIMER = re.compile(
    r"\b(?:timers?|alarm|remind(?:er)?|wake|count ?down|let me know|tell me when|call me)\b"
)
_SETTING = re.compile(r"\b(?:set|start|remind me|wake me)\b")
_NOT_SETTING = re.compile(
    r"\b(?:cancel|stop|delete|remove|turn off|off|left|remaining|until|much|long|when does)\b"
)
_ABOUT_TABLE = re.compile(r"\b(?:table|book|booking|reserve|reservation|people|dinner|lunch)\b")
_BARE_ANSWER = re.compile(
    r"(?:yes|yeah|yep|yup|sure|okay|ok|correct|right|exactly)"
    r"(?: (?:please|yes|sure|okay|right|of course|go ahead))*"
    r"|(?:no|nope|nah)(?: (?:no|please|thanks|thank you|not now))*"
)
_ELSEWHERE = re.compile(
    r"\b(?:in (?!the\b|a\b|this\b|your\b|here\b)\w+|tomorrow|yesterday|next|last|was|will|there)\b"
)
_POLITENESS = re.compile(
    r"^(?:(?:hi|hello|hey|okay|ok|so|well|um|uh|and|please|now|yes|yeah)(?: there)? )+(?=\S+ \S+)"
)


def intent_by_rule(text: str) -> str | None:
    """The intent of a `plain` text where a rule can tell, and no example is needed."""
    if _NOISE.fullmatch(text):
        return NOISE
    if find_sum(text) and not _ABOUT_TABLE.search(text) and not _ABOUT_TIMER.search(text):
        return "calculate"
    sets_timer = _ABOUT_TIMER.search(text) and (_SETTING.search(text) or not _NOT_SETTING.search(text))
    if sets_timer and (find_duration_s(text) or find_time(text)):
        return "timer_set"
    if _BARE_ANSWER.fullmatch(text):
        return YES if find_yes_or_no(text) else NO
    return None


def core_of(text: str) -> str:
    """The part of a `plain` text that carries its meaning: without the "hello" or "okay" before a request."""
    return _POLITENESS.sub("", text)


def next_action(events: Iterable[Event], around: Surroundings) -> Action:
    """What is to be done after the last event; with no event, a greeting, and after our own words more of
    them."""
    state = State()
    action: Action = (Said("greet"),)
    for event in events:
        state, action = step(state, event, around)
    return action or _with_question(state, (Said("still_there"),), around)


def step(state: State, event: Event, around: Surroundings) -> tuple[State, Action]:
    """The state after an event, and what is to be done then."""
    match event:
        case Told():
            told = replace(state, last_told=event.text)
            return (told.after(event.said, around.now.date()) if event.said else told), ()
        case Outcome():
            state, action = after_tool(state, event, around)
        case Heard():
            state, action = _heard(replace(state, intent=event.intent), event, around)
        case _:
            assert_never(event)
    if isinstance(action, Call):
        return (state, action) if action.tool in around.tools else (state, (Said("unable"),))
    action = _with_question(state, action, around)
    for said in action:
        state = state.after(said, around.now.date())
    return state, action


def _heard(state: State, heard: Heard, around: Surroundings) -> Step:
    if heard.intent == NOISE:
        return state, (Said("not_caught"),)
    if intent_by_rule(heard.text) not in ("calculate", "timer_set"):
        going_on = in_task(state, heard, around)
        if going_on is not None:
            return going_on
    if wants_out(heard.text) and len(heard.text.split()) <= 3:
        return state, (Said("all_right"),)
    answer = _ANSWERS.get(heard.intent or "")
    if answer is not None and not (heard.intent in (YES, NO) and state.task is not Task.NONE):
        return answer(state, heard, around)
    if state.task is not Task.NONE:
        return state, (Said("not_caught"),)
    return state, (Said("unknown", {"skills": around.skills}),)


def _with_question(state: State, action: tuple[Said, ...], around: Surroundings) -> tuple[Said, ...]:
    """After a remark that is not about the task at hand, the task's question again."""
    if state.task is Task.NONE or action[-1].occasion in EXPECTS or action[-1].occasion == "repeat":
        return action
    return *action, _question(state, around)


def _question(state: State, around: Surroundings) -> Said:
    match state.task, state.asked:
        case Task.CANCELLING, Asked.DAY:
            return Said("ask_cancel_which")
        case Task.CANCELLING, _:
            _, action = next_of_cancelling(state, around)
            return Said("ask_cancel_name") if isinstance(action, Call) else action[0]
        case Task.BOOKING, Asked.CONFIRMATION if state.draft.name is None:
            values = {"people": str(state.draft.people), "when": state.draft.when(around.now.date())}
            return Said("table_free", values)
        case Task.BOOKING, Asked.OFFER | Asked.ANOTHER_TIME:
            return Said("another_time")
        case Task.BOOKING, _:
            _, action = next_of_booking(state, around)
            return Said("ask_time") if isinstance(action, Call) else action[0]
        case Task.TIMER, _:
            return Said("how_long")
        case _:
            return Said("which_sum")


# --- what is answered to which intent -------------------------------------------------------------------

Answer: TypeAlias = Callable[[State, Heard, Surroundings], Step]


def _says(occasion: str) -> Answer:
    return lambda state, heard, around: (state, (Said(occasion, {"skills": around.skills}),))


def _calls(tool: str) -> Answer:
    return lambda state, heard, around: (state, Call(tool))


def _clock(state: State, heard: Heard, around: Surroundings) -> Step:
    """The time here and now; for other places and days there is no answer."""
    if _ELSEWHERE.search(heard.text):
        return state, (Said("unknown", {"skills": around.skills}),)
    return state, Call("clock")


def _book(state: State, heard: Heard, around: Surroundings) -> Step:
    if state.task is Task.BOOKING:  # and nothing new was said about it
        return next_of_booking(state, around)
    return begin_booking(state, heard, around)


def _repeat(state: State, heard: Heard, around: Surroundings) -> Step:
    again = state.last_told.removeprefix(REPEATING)
    return state, (Said("repeat", {"again": again}) if again else Said("repeat_nothing"),)


_ANSWERS: Mapping[str, Answer] = {
    "time": _clock,
    "date": _clock,
    "calculate": calculate,
    "timer_set": set_timer,
    "timer_list": _calls("list_timers"),
    "timer_cancel": _calls("cancel_timers"),
    "opening_hours": _calls("opening_hours"),
    "check_table": _book,
    "book_table": _book,
    "cancel_booking": begin_cancelling,
    "repeat": _repeat,
    YES: _says("what_then"),
    NO: _says("all_right"),
    **{
        occasion: _says(occasion)
        for occasion in (
            "greet", "how_are_you", "hear_me", "identity", "help", "thanks", "goodbye", "human", "joke",
            "praise", "complaint",
        )
    },
}  # fmt: skip

INTENTS = frozenset(_ANSWERS) - {YES, NO}
"""The intents that need examples."""
