"""The scripted agent's decisions: what it says or calls, from the history alone, heard whole or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.demo.agent import Script
from stages.demo.dialogue import INTENTS, NOISE, core_of, intent_by_rule, next_action
from stages.demo.state import EXPECTS, Action, Call, Event, Heard, Outcome, Surroundings, Told, asks_for
from stages.demo.wording import Said
from stages.ports import Expects
from stages.text.plain import plain

SCRIPT = Script.read()
TUESDAY = datetime.fromisoformat("2026-11-24 10:00")
TOOLS = frozenset(
    {"clock", "calculate", "set_timer", "list_timers", "cancel_timers", "opening_hours", "check_table"}
    | {"book_table", "cancel_booking"}
)
AROUND = Surroundings(TUESDAY, TOOLS, "do things")
FREE = {"answer": "free"}
FULL = {
    "answer": "full",
    "alternatives": [
        {"date": "2026-11-27", "time": "20:30", "said": "on Friday at 8:30 pm"},
        {"date": "2026-11-27", "time": "21:00", "said": "on Friday at 9 pm"},
    ],
}


@dataclass
class Talk:
    """A conversation whose history keeps only what was said, as a session's does."""

    events: list[Event] = field(default_factory=list)
    heard_chars: int | None = None
    """How much of each answer the person hears."""

    def hear(self, text: str, intent: str | None = None) -> Action:
        by_rule = intent_by_rule(plain(text))
        self.events.append(Heard(plain(text), by_rule or intent))
        return self._act(self.events)

    def tool(self, result: Mapping[str, object] | None) -> Action:
        """The called tool answers; of this only what is said then stays in the history."""
        action = next_action(self.events, AROUND)
        assert isinstance(action, Call)
        return self._act([*self.events, Outcome(action.tool, result)])

    def _act(self, events: Sequence[Event]) -> Action:
        action = next_action(events, AROUND)
        if not isinstance(action, Call):
            text = " ".join(SCRIPT.wording.word(said, len(self.events)) for said in action)[
                : self.heard_chars
            ]
            self.events.append(Told(text, SCRIPT.wording.recognise(text, EXPECTS)))
        return action


def occasions(action: Action) -> list[str]:
    assert not isinstance(action, Call), action
    return [said.occasion for said in action]


def call(action: Action) -> tuple[str, Mapping[str, object]]:
    assert isinstance(action, Call), action
    return action.tool, action.arguments


# --- single turns -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "...", "uh", "um hmm", "you", "the", "?!"])
def test_noise_is_not_caught(text: str) -> None:
    assert intent_by_rule(plain(text)) == NOISE
    assert occasions(Talk().hear(text)) == ["not_caught"]


def test_what_is_not_understood_gets_no_guess_but_what_can_be_done() -> None:
    assert Talk().hear("what's the weather") == (Said("unknown", {"skills": "do things"}),)


def test_without_a_word_from_the_person_it_greets() -> None:
    assert next_action([], AROUND) == (Said("greet"),)


def test_when_the_person_says_nothing_it_asks_after_them_and_puts_its_question_again() -> None:
    talk = Talk()
    talk.hear("what's the time", "time")
    talk.tool({"said": "10 o'clock"})
    assert next_action(talk.events, AROUND) == (Said("still_there"),)
    talk.hear("book a table", "book_table")
    assert next_action(talk.events, AROUND) == (Said("still_there"), Said("ask_people"))


@pytest.mark.parametrize("intent", ["greet", "identity", "help", "thanks", "human", "joke", "goodbye"])
def test_small_talk_is_answered(intent: str) -> None:
    assert occasions(Talk().hear("whatever", intent)) == [intent]


@pytest.mark.parametrize(
    ("text", "intent", "tool", "arguments"),
    [
        ("what's the time", "time", "clock", {}),
        ("what day is it", "date", "clock", {}),
        ("what is twelve times seven", None, "calculate", {"expression": "12 * 7"}),
        ("twenty percent of 80", None, "calculate", {"expression": "20 % of 80"}),
        ("set a timer for five minutes", None, "set_timer", {"seconds": 300, "label": ""}),
        ("remind me to call mom in an hour", None, "set_timer", {"seconds": 3600, "label": "call mom"}),
        ("remind me in 10 minutes to call mom", None, "set_timer", {"seconds": 600, "label": "call mom"}),
        ("remind me to turn off tv in a minute", None, "set_timer", {"seconds": 60, "label": "turn off tv"}),
        ("wake me up at noon", None, "set_timer", {"seconds": 7200, "label": ""}),
        ("set an alarm for 9 am", None, "set_timer", {"seconds": 23 * 3600, "label": ""}),
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
    around = Surroundings(TUESDAY, frozenset(), "")
    assert next_action([Heard("what's the time", "time")], around) == (Said("unable"),)


def test_a_timer_of_more_than_a_day_is_refused() -> None:
    assert occasions(Talk().hear("set a timer for 30 hours")) == ["timer_refused"]


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
    assert core_of(text) == core


# --- outcomes ---------------------------------------------------------------------------------------------

CLOCK = {"time": "10 am", "date": "Tuesday, November 24th", "iso": ""}
ONE_TIMER = {"label": "", "length": "5 minutes", "left": "4 minutes"}


@pytest.mark.parametrize(
    ("text", "intent", "result", "occasion"),
    [
        ("what's the time", "time", CLOCK, "time"),
        ("what day is it", "date", CLOCK, "date"),
        ("2 plus 2", None, {"result": "4", "exact": True}, "calculated"),
        ("10 divided by 3", None, {"result": "3.3333", "exact": False}, "calculated_about"),
        ("1 divided by 0", None, {"error": "no"}, "not_calculated"),
        ("set a timer for 5 minutes", None, {"set": "5 minutes", "label": ""}, "timer_set"),
        ("remind me to eat in 5 minutes", None, {"set": "5 minutes", "label": "eat"}, "reminder_set"),
        ("set a timer for 5 minutes", None, {"error": "too many"}, "timer_refused"),
        ("timers", "timer_list", {"timers": []}, "no_timers"),
        ("timers", "timer_list", {"timers": [ONE_TIMER]}, "timer_left"),
        ("timers", "timer_list", {"timers": [ONE_TIMER, ONE_TIMER]}, "timers_left"),
        ("stop it", "timer_cancel", {"cancelled": []}, "all_right"),
        ("stop the timer", "timer_cancel", {"cancelled": []}, "no_timers"),
        ("stop the timer", "timer_cancel", {"cancelled": ["a"]}, "timer_cancelled"),
        ("stop the timer", "timer_cancel", {"cancelled": ["a", "b"]}, "timers_cancelled"),
        ("when are you open", "opening_hours", {"hours": "daily"}, "hours"),
        ("what's the time", "time", None, "failed"),
        ("what's the time", "time", {"unexpected": 1}, "failed"),
        ("stop the timer", "timer_cancel", {"cancelled": 5}, "failed"),
    ],
)
def test_outcomes_are_put_into_words(
    text: str, intent: str | None, result: Mapping[str, object] | None, occasion: str
) -> None:
    talk = Talk()
    action = talk.hear(text, intent)
    assert occasions(talk.tool(result) if isinstance(action, Call) else action) == [occasion]


# --- a booking --------------------------------------------------------------------------------------------

WISH = {"date": "2026-11-27", "time": "19:00", "people": 4}


def test_a_booking_in_one_sentence() -> None:
    talk = Talk()
    action = talk.hear("book a table for four on friday at seven pm under the name of smith", "book_table")
    assert call(action) == ("check_table", WISH)
    assert occasions(talk.tool(FREE)) == ["confirm"]
    assert call(talk.hear("yes please")) == ("book_table", WISH | {"name": "Smith"})
    booking = {"name": "Smith", "people": 4, "said": "on Friday at 7 pm"}
    assert occasions(talk.tool({"answer": "booked", "booking": booking, "again": False})) == ["booked"]
    assert occasions(talk.hear("yes")) == ["what_then"]  # the booking is over


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
    values = {"people": "4", "when": "on Friday at 7 pm", "name": "Miller"}
    assert talk.hear("no my name is miller") == (Said("confirm", values),)


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
    assert occasions(talk.tool({"result": "84", "exact": True})) == ["calculated", "ask_people"]
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
    assert talk.tool(FULL) == (Said("full", {"offer": "on Friday at 8:30 pm or at 9 pm"}),)
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
        ({"answer": "too_many", "most_people": 8}, "too_many", "eight", WISH | {"people": 8}),
        ({"answer": "too_far", "days_ahead": 60}, "too_far", "saturday", WISH | {"date": "2026-11-28"}),
        ({"answer": "full"}, "full_no_offer", "saturday", WISH | {"date": "2026-11-28"}),
        (
            {"answer": "closed", "alternatives": FULL["alternatives"]},
            "closed",
            "yes",
            WISH | {"time": "20:30"},
        ),
        ({"answer": "past", "alternatives": FULL["alternatives"]}, "past", "yes", WISH | {"time": "20:30"}),
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


def test_a_confirmation_is_enough_to_go_on_from_when_the_beginning_is_forgotten() -> None:
    talk = confirming()
    talk.events = talk.events[1:]
    assert call(talk.hear("yes")) == ("book_table", WISH | {"name": "Smith"})


# --- other tasks ------------------------------------------------------------------------------------------


def test_cancelling_asks_for_the_name_and_if_need_be_the_day() -> None:
    talk = Talk()
    assert occasions(talk.hear("cancel my booking", "cancel_booking")) == ["ask_cancel_name"]
    assert occasions(talk.hear("smith")) == ["confirm_cancel"]
    assert call(talk.hear("yes please")) == ("cancel_booking", {"name": "Smith"})
    several = [{"people": 4, "said": "on Friday at 7 pm"}, {"people": 4, "said": "on Saturday at 7 pm"}]
    assert occasions(talk.tool({"answer": "several", "bookings": several})) == ["ask_cancel_day"]
    assert occasions(talk.hear("blah")) == ["not_caught", "ask_cancel_which"]
    assert occasions(talk.hear("friday")) == ["confirm_cancel_day"]
    assert call(talk.hear("yes")) == ("cancel_booking", {"name": "Smith", "date": "2026-11-27"})
    assert occasions(talk.tool({"answer": "cancelled", "bookings": several[:1]})) == ["cancelled"]


@pytest.mark.parametrize(
    ("text", "name"),
    [("cancel the table under smith", "Smith"), ("cancel the reservation for smith", "Smith")],
)
def test_nothing_is_cancelled_before_the_person_agrees(text: str, name: str) -> None:
    talk = Talk()
    assert talk.hear(text, "cancel_booking") == (Said("confirm_cancel", {"name": name}),)
    assert occasions(talk.hear("blah")) == ["not_caught", "confirm_cancel"]
    assert occasions(talk.hear("no")) == ["dropped"]


def test_cancelling_what_is_not_there() -> None:
    talk = Talk()
    talk.hear("cancel the table under smith", "cancel_booking")
    talk.hear("yes")
    assert talk.tool({"answer": "none", "bookings": []}) == (Said("no_booking", {"name": "Smith"}),)


def test_one_can_change_from_cancelling_to_booking() -> None:
    talk = Talk()
    talk.hear("cancel my booking", "cancel_booking")
    assert occasions(talk.hear("actually book a table for 4", "book_table")) == ["ask_day"]


def test_a_timer_asks_for_how_long() -> None:
    talk = Talk()
    assert occasions(talk.hear("set a timer", "timer_set")) == ["how_long"]
    assert call(talk.hear("ten")) == ("set_timer", {"seconds": 600, "label": ""})
    assert occasions(talk.tool({"set": "10 minutes", "label": ""})) == ["timer_set"]
    assert occasions(talk.hear("ten")) == ["unknown"]


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
    st.sampled_from([None, *sorted(INTENTS)]),
)  # fmt: skip
RESULTS: list[Mapping[str, object] | None] = [FREE, FULL, {"answer": "closed"}, None, CLOCK, {"timers": []}]


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


def test_every_intent_has_examples_and_the_script_has_no_others() -> None:
    by_intent: dict[str, int] = {}
    for intent, _ in SCRIPT.examples:
        by_intent[intent] = by_intent.get(intent, 0) + 1
    assert set(by_intent) == INTENTS | {"stranger"}
    assert min(by_intent.values()) >= 10


@pytest.mark.parametrize(
    ("occasion", "expects"),
    [
        ("ask_people", Expects.NUMBER),
        ("ask_time", Expects.NUMBER),
        ("how_long", Expects.NUMBER),
        ("which_sum", Expects.NUMBER),
        ("ask_day", Expects.FREE),
        ("ask_name", Expects.FREE),
        ("confirm", Expects.YES_NO),
        ("closed", Expects.YES_NO),
        ("booked", Expects.FREE),
        ("greet", None),
    ],
)
def test_it_knows_what_its_question_asks_for(occasion: str, expects: Expects | None) -> None:
    assert asks_for(Said(occasion)) is expects
