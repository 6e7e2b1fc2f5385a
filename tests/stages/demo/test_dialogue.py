"""The scripted agent's decisions: what it says or calls, from the history alone, heard whole or not."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.demo.dialogue import NO, NOISE, YES, Dialogue, intent_by_rule
from stages.demo.script import SCRIPT, WORDING, recognised, wished, worded
from stages.demo.tasks import Action, Call
from stages.text.plain import plain

INTENTS = sorted(SCRIPT["intents"])
TUESDAY = datetime.fromisoformat("2026-11-24 10:00")
TOOLS = frozenset(
    {"clock", "calculate", "set_timer", "list_timers", "cancel_timers", "opening_hours", "check_table"}
    | {"book_table", "cancel_booking"}
)
FREE = {"say": "found"}
FULL = {"say": "full", "offer": "on Friday at 8:30 pm or at 9 pm"}
Result: TypeAlias = Mapping[str, object]


@dataclass
class Talk:
    """A conversation whose history keeps only what was said, as a session's does."""

    events: list[Callable[[Dialogue], object]] = field(default_factory=list)
    heard_chars: int | None = None
    """How much of each answer the person hears."""
    tools: frozenset[str] = TOOLS

    def next_action(self, *more: Callable[[Dialogue], object]) -> Action:
        dialogue = Dialogue(TUESDAY, self.tools, "do things")
        for event in (*self.events, *more):
            event(dialogue)
        return dialogue.next_action()

    def hear(self, text: str, intent: str | None = None) -> Action:
        heard = plain(text), intent_by_rule(plain(text)) or intent
        self.events.append(lambda dialogue: dialogue.heard(*heard))
        return self._act(self.next_action())

    def tool(self, result: Result | None) -> Action:
        """The called tool answers; of this only what is said then stays in the history."""
        assert isinstance(self.next_action(), Call)
        said = wished(json.dumps(result))
        return self._act(self.next_action(lambda dialogue: dialogue.answered(said)))

    def _act(self, action: Action) -> Action:
        if not isinstance(action, Call):
            text = " ".join(worded(said, len(self.events)) for said in action)[: self.heard_chars]
            self.events.append(lambda dialogue: dialogue.told(text, recognised(text)))
        return action


def occasions(action: Action) -> list[str]:
    assert not isinstance(action, Call), action
    return [said.occasion for said in action]


def text_of(action: Action) -> str:
    assert not isinstance(action, Call), action
    return " ".join(worded(said, 0) for said in action)


def call(action: Action) -> tuple[str, Mapping[str, object]]:
    assert isinstance(action, Call), action
    return action.tool, action.arguments


# --- single turns -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "...", "uh", "um hmm", "you", "the", "?!"])
def test_noise_is_not_caught(text: str) -> None:
    assert intent_by_rule(plain(text)) == NOISE
    assert occasions(Talk().hear(text)) == ["not_caught"]


def test_what_is_not_understood_gets_no_guess_but_what_can_be_done() -> None:
    assert text_of(Talk().hear("what's the weather")) == "I can't help with that. I can do things."


def test_without_a_word_from_the_person_it_greets() -> None:
    assert occasions(Talk().next_action()) == ["greet"]


def test_when_the_person_says_nothing_it_asks_after_them_and_puts_its_question_again() -> None:
    talk = Talk()
    talk.hear("what's the time", "time")
    talk.tool(CLOCK)
    assert occasions(talk.next_action()) == ["still_there"]
    talk.hear("book a table", "book_table")
    assert occasions(talk.next_action()) == ["still_there", "ask_people"]


@pytest.mark.parametrize("intent", ["greet", "identity", "help", "thanks", "human", "joke", "goodbye"])
def test_small_talk_is_answered(intent: str) -> None:
    assert occasions(Talk().hear("whatever", intent)) == [intent]


@pytest.mark.parametrize(
    ("text", "intent", "tool", "arguments"),
    [
        ("what's the time", "time", "clock", {"tell": "time"}),
        ("what day is it", "date", "clock", {"tell": "date"}),
        ("what is twelve times seven", None, "calculate", {"expression": "12 * 7"}),
        ("twenty percent of 80", None, "calculate", {"expression": "20 % of 80"}),
        ("set a timer for five minutes", None, "set_timer", {"seconds": 300}),
        ("remind me to call mom in an hour", None, "set_timer", {"seconds": 3600, "label": "call mom"}),
        ("remind me in 10 minutes to call mom", None, "set_timer", {"seconds": 600, "label": "call mom"}),
        ("remind me to turn off tv in a minute", None, "set_timer", {"seconds": 60, "label": "turn off tv"}),
        ("wake me up at noon", None, "set_timer", {"seconds": 7200}),
        ("set an alarm for 9 am", None, "set_timer", {"seconds": 23 * 3600}),
        ("how long on the timer", "timer_list", "list_timers", {}),
        ("stop the timer", "timer_cancel", "cancel_timers", {}),
        ("when do you close", "opening_hours", "opening_hours", {}),
    ],
)  # fmt: skip
def test_requests_become_calls(
    text: str, intent: str | None, tool: str, arguments: Mapping[str, object]
) -> None:
    assert call(Talk().hear(text, intent)) == (tool, arguments)


@pytest.mark.parametrize(
    "text",
    ["cancel the 5 minute timer", "how much is left on my 5 minute timer", "book a table for 2", "hello"],
)
def test_rules_leave_alone_what_they_cannot_tell(text: str) -> None:
    assert intent_by_rule(plain(text)) is None


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("what time is it in new york", "time"),
        ("what was the date yesterday", "date"),
        ("what day is it tomorrow", "date"),
    ],
)
def test_the_time_elsewhere_and_other_days_are_not_known(text: str, intent: str) -> None:
    assert occasions(Talk().hear(text, intent)) == ["unknown"]


@pytest.mark.parametrize(
    "text", ["cancel my booking for friday", "cancel the table for tonight", "cancel my reservation"]
)
def test_a_day_is_no_name(text: str) -> None:
    assert occasions(Talk().hear(text, "cancel_booking")) == ["ask_cancel_name"]


def test_what_cannot_be_done_here_is_said() -> None:
    assert occasions(Talk(tools=frozenset()).hear("what's the time", "time")) == ["unable"]


@pytest.mark.parametrize(
    ("text", "core"),
    [
        ("hello can you hear me", "can you hear me"),
        ("okay so what time is it", "what time is it"),
        ("hello there", "hello there"),
        ("hi", "hi"),
    ],
)
def test_the_core_of_an_utterance(text: str, core: str) -> None:
    assert WORDING.patterns["politeness"].sub("", text) == core


# --- outcomes ---------------------------------------------------------------------------------------------

CLOCK = {"say": "time", "time": "10 am", "date": "Tuesday, November 24th"}


def test_what_a_tool_wants_said_is_said_and_anything_else_has_failed() -> None:
    for result, occasion in (
        (CLOCK, "time"),
        (None, "failed"),
        ({"unexpected": 1}, "failed"),
        ({"say": 5}, "failed"),
    ):
        talk = Talk()
        talk.hear("what's the time", "time")
        assert occasions(talk.tool(result)) == [occasion]


def test_stopping_it_cancels_no_timer() -> None:
    assert occasions(Talk().hear("stop it", "timer_cancel")) == ["all_right"]


# --- a booking --------------------------------------------------------------------------------------------

WISH = {"date": "2026-11-27", "time": "19:00", "people": 4}


def test_a_booking_in_one_sentence() -> None:
    talk = Talk()
    action = talk.hear("book a table for four on friday at seven pm under the name of smith", "book_table")
    assert call(action) == ("check_table", WISH)
    assert occasions(talk.tool(FREE)) == ["confirm"]
    assert call(talk.hear("yes please")) == ("book_table", WISH | {"name": "Smith"})
    assert occasions(
        talk.tool({"say": "booked", "name": "Smith", "people": 4, "when": "on Friday at 7 pm"})
    ) == ["booked"]
    assert occasions(talk.hear("yes")) == ["yes"]  # the booking is over


SLOTS = [("four people", "ask_people"), ("friday", "ask_day"), ("at seven", "ask_time")]


@pytest.mark.parametrize("heard_chars", [None, 8, 0])
def test_a_booking_slot_by_slot_however_much_of_the_questions_was_heard(heard_chars: int | None) -> None:
    talk = Talk(heard_chars=heard_chars)
    action = talk.hear("i'd like to book a table", "book_table")
    for answer, question in SLOTS:
        assert occasions(action) == [question]
        action = talk.hear(answer)
    assert call(action) == ("check_table", WISH)
    talk.heard_chars = None
    assert occasions(talk.tool(FREE)) == ["found", "ask_name"]
    assert occasions(talk.hear("smith", "book_table")) == ["confirm"]  # names lie near the booking examples
    assert call(talk.hear("yes")) == ("book_table", WISH | {"name": "Smith"})


def test_bare_numbers_answer_what_was_asked() -> None:
    talk = Talk()
    talk.hear("book a table", "book_table")
    assert occasions(talk.hear("4")) == ["ask_day"]
    assert occasions(talk.hear("the 27th")) == ["ask_time"]
    assert call(talk.hear("7")) == ("check_table", WISH)


def confirming() -> Talk:
    talk = Talk()
    talk.hear("book a table for 4 on friday at 7 pm under smith", "book_table")
    talk.tool(FREE)
    return talk


def test_no_books_nothing() -> None:
    assert occasions(confirming().hear("no")) == ["not_booked"]


def test_a_correction_is_checked_again() -> None:
    talk = confirming()
    assert call(talk.hear("no make it eight o'clock")) == ("check_table", WISH | {"time": "20:00"})
    assert occasions(talk.tool(FREE)) == ["confirm"]
    assert call(talk.hear("yes")) == ("book_table", WISH | {"time": "20:00", "name": "Smith"})


def test_a_corrected_name_is_confirmed_again() -> None:
    talk = confirming()
    assert (
        text_of(talk.hear("no my name is miller"))
        == "A table for 4 on Friday at 7 pm, under Miller. Shall I book it?"
    )


@pytest.mark.parametrize("text", ["never mind", "cancel", "forget it"])
def test_one_can_drop_a_booking(text: str) -> None:
    talk = Talk()
    talk.hear("book a table", "book_table")
    assert occasions(talk.hear(text)) == ["not_booked"]
    assert occasions(talk.hear("4")) == ["unknown"]


def test_other_questions_are_answered_and_the_booking_goes_on() -> None:
    talk = Talk()
    talk.hear("book a table", "book_table")
    talk.hear("what time is it", "time")
    assert occasions(talk.tool(CLOCK)) == ["time", "ask_people"]
    assert occasions(talk.hear("tell me a joke", "joke")) == ["joke", "ask_people"]
    assert call(talk.hear("what is 12 times 7")) == ("calculate", {"expression": "12 * 7"})
    assert occasions(talk.tool({"say": "calculated", "result": "84"})) == ["calculated", "ask_people"]
    assert occasions(talk.hear("blah")) == ["not_caught", "ask_people"]
    assert occasions(talk.hear("uh")) == ["not_caught", "ask_people"]
    assert occasions(talk.hear("four")) == ["ask_day"]


def test_asking_for_a_free_table_can_end_in_a_booking() -> None:
    talk = Talk()
    talk.hear("is there a table for 4 on friday at 7", "check_table")
    assert occasions(talk.tool(FREE)) == ["table_free"]
    assert occasions(talk.hear("yes")) == ["ask_name"]
    assert occasions(talk.hear("smith")) == ["confirm"]
    assert call(talk.hear("yes")) == ("book_table", WISH | {"name": "Smith"})


@pytest.mark.parametrize(
    ("answer", "time"),
    [("yes", "20:30"), ("the first one", "20:30"), ("the second one", "21:00"), ("at 9 pm", "21:00")],
)
def test_an_offer_can_be_taken(answer: str, time: str) -> None:
    talk = Talk()
    talk.hear("book a table for 4 on friday at 7", "book_table")
    assert occasions(talk.tool(FULL)) == ["full"]
    assert call(talk.hear(answer)) == ("check_table", WISH | {"time": time})


def test_an_offer_can_be_refused() -> None:
    talk = Talk()
    talk.hear("book a table for 4 on friday at 7", "book_table")
    talk.tool(FULL)
    assert occasions(talk.hear("no")) == ["another_time"]
    assert call(talk.hear("saturday at 8")) == (
        "check_table",
        {"date": "2026-11-28", "time": "20:00", "people": 4},
    )


def test_an_offer_that_was_not_heard_is_not_taken() -> None:
    talk = Talk()
    talk.hear("book a table for 4 on friday at 7", "book_table")
    talk.heard_chars = 40
    talk.tool(FULL)
    assert occasions(talk.hear("yes")) == ["another_time"]


@pytest.mark.parametrize(
    ("result", "occasion", "answer", "wish"),
    [
        ({"say": "too_many", "most_people": 8}, "too_many", "eight", WISH | {"people": 8}),
        ({"say": "too_far", "days_ahead": 60}, "too_far", "saturday", WISH | {"date": "2026-11-28"}),
        ({"say": "full_no_offer"}, "full_no_offer", "saturday", WISH | {"date": "2026-11-28"}),
        (FULL | {"say": "closed"}, "closed", "yes", WISH | {"time": "20:30"}),
        (FULL | {"say": "past"}, "past", "yes", WISH | {"time": "20:30"}),
    ],
)
def test_what_the_restaurant_cannot_do_is_asked_again(
    result: Mapping[str, object], occasion: str, answer: str, wish: Mapping[str, object]
) -> None:
    talk = Talk()
    talk.hear("book a table for 4 on friday at 7", "book_table")
    assert occasions(talk.tool(result)) == [occasion]
    assert call(talk.hear(answer)) == ("check_table", wish)


def test_a_table_lost_to_another_is_offered_anew() -> None:
    talk = confirming()
    talk.hear("yes")
    assert occasions(talk.tool(FULL)) == ["full"]


# --- other tasks ------------------------------------------------------------------------------------------


def test_cancelling_asks_for_the_name_and_if_need_be_the_day() -> None:
    talk = Talk()
    assert occasions(talk.hear("cancel my booking", "cancel_booking")) == ["ask_cancel_name"]
    assert occasions(talk.hear("smith")) == ["confirm_cancel"]
    assert call(talk.hear("yes please")) == ("cancel_booking", {"name": "Smith"})
    several = "on Friday at 7 pm and on Saturday at 7 pm"
    assert occasions(talk.tool({"say": "ask_cancel_day", "bookings": several})) == ["ask_cancel_day"]
    assert occasions(talk.hear("blah")) == ["not_caught", "ask_cancel_which"]
    assert occasions(talk.hear("friday")) == ["confirm_cancel_day"]
    assert call(talk.hear("yes")) == ("cancel_booking", {"name": "Smith", "date": "2026-11-27"})
    assert occasions(talk.tool({"say": "cancelled", "people": 4, "when": "on Friday at 7 pm"})) == [
        "cancelled"
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [("cancel the table under smith", "Smith"), ("cancel the reservation for smith", "Smith")],
)
def test_nothing_is_cancelled_before_the_person_agrees(text: str, name: str) -> None:
    talk = Talk()
    assert text_of(talk.hear(text, "cancel_booking")) == f"Shall I cancel the booking under {name}?"
    assert occasions(talk.hear("blah")) == ["not_caught", "confirm_cancel"]
    assert occasions(talk.hear("no")) == ["dropped"]


def test_cancelling_what_is_not_there() -> None:
    talk = Talk()
    talk.hear("cancel the table under smith", "cancel_booking")
    talk.hear("yes")
    assert occasions(talk.tool({"say": "no_booking", "name": "Smith"})) == ["no_booking"]
    assert occasions(talk.hear("yes")) == ["yes"]


def test_one_can_change_from_cancelling_to_booking() -> None:
    talk = Talk()
    talk.hear("cancel my booking", "cancel_booking")
    assert occasions(talk.hear("actually book a table for 4", "book_table")) == ["ask_day"]


def test_a_timer_asks_for_how_long() -> None:
    talk = Talk()
    assert occasions(talk.hear("set a timer", "timer_set")) == ["how_long"]
    assert call(talk.hear("ten")) == ("set_timer", {"seconds": 600})
    assert occasions(talk.tool({"say": "timer_set", "set": "10 minutes"})) == ["timer_set"]
    assert occasions(talk.hear("ten")) == ["unknown"]


def test_what_a_timer_is_for_is_remembered_while_its_length_is_asked_for() -> None:
    talk = Talk()
    assert occasions(talk.hear("remind me to call mom", "timer_set")) == ["how_long"]
    assert call(talk.hear("in ten minutes")) == ("set_timer", {"seconds": 600, "label": "call mom"})


def test_a_sum_is_asked_for() -> None:
    talk = Talk()
    assert occasions(talk.hear("can you do some math", "calculate")) == ["which_sum"]
    assert occasions(talk.hear("forget it")) == ["dropped"]
    talk.hear("can you do some math", "calculate")
    assert call(talk.hear("5 squared")) == ("calculate", {"expression": "5 ^ 2"})


def test_the_last_answer_is_repeated_once() -> None:
    talk = Talk()
    assert occasions(talk.hear("say again", "repeat")) == ["repeat_nothing"]
    talk.hear("hello", "greet")
    first = talk.hear("say again", "repeat")
    assert occasions(first) == ["repeat"]
    assert talk.hear("say again", "repeat") == first


def test_goodbye_ends_everything() -> None:
    talk = Talk()
    talk.hear("book a table", "book_table")
    assert occasions(talk.hear("bye", "goodbye")) == ["goodbye"]
    assert occasions(talk.hear("4")) == ["unknown"]


# --- whatever is said ---------------------------------------------------------------------------------------

UTTERANCES = st.tuples(
    st.sampled_from(
        [
            *(text for text, _ in SLOTS), "yes", "no", "smith", "never mind", "the second one",
            "tomorrow at 8", "for 2", "ten minutes", "2 plus 2", "", "my name is ann", "at midnight",
            "in a week",
        ]
    ),
    st.sampled_from([None, *INTENTS]),
)  # fmt: skip
RESULTS: list[Result | None] = [FREE, FULL, {"say": "full_no_offer"}, None, CLOCK, {"say": "no_timers"}]


@given(
    st.lists(st.tuples(UTTERANCES, st.sampled_from(RESULTS)), max_size=8),
    st.sampled_from([None, 0, 7, 25]),
)
@settings(max_examples=150)
def test_every_turn_ends_in_words_that_the_script_has(
    turns: list[tuple[tuple[str, str | None], Mapping[str, object] | None]], heard_chars: int | None
) -> None:
    talk = Talk(heard_chars=heard_chars)
    for (text, intent), result in turns:
        action = talk.hear(text, intent)
        if isinstance(action, Call):
            action = talk.tool(result)
        assert not isinstance(action, Call)
        assert 1 <= len(action) <= 2


def test_every_intent_has_examples_and_an_answer() -> None:
    assert min(map(len, SCRIPT["intents"].values())) >= 10
    for intent in (*INTENTS, YES, NO):
        action = Talk().hear("whatever", intent)
        assert isinstance(action, Call) or all(worded(said, 0) for said in action)
