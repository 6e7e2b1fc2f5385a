"""Whole conversations in virtual time, against golden traces and against what must hold in every one of them.

A trace that is meant to change is written anew with
`UPDATE_STORIES=1 scripts/test tests/server/session/test_stories.py`; then read it.
"""

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.conversation.history import CUT_OFF
from stageflow.tools import Tool
from stages.errors import ProviderError
from stages.testing.fakes import Conduct
from tests.server.session.stories import ASK, LONG, LONG_ANSWER, PAYS, STORIES, TEN_MINUTES, asking
from tests.support.theatre import AUDIO, FIXED, FRAME_S, SEMANTIC, Do, Say, Story, Told, perform, perform_both
from tests.support.trace_checker import check_trace

GOLDEN = Path(__file__).parents[2] / "data" / "stories"
UPDATE = bool(os.environ.get("UPDATE_STORIES"))
EACH = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in STORIES]
"""The stories; what looks at one of them does so in one process, where it is told once."""


@cache
def told(name: str) -> Told:
    return perform(STORIES[name])


def page(name: str) -> str:
    lines = [f"# {name}", ""]
    for say in STORIES[name].says:
        what = f"{say.words!r}" if say.words else f"({say.sound})"
        lines.append(f"{say.start_s:6.2f}  person until {say.end_s:.2f}: {what}")
    lines += ["", *told(name).lines, ""]
    lines += [f"{role}: {content}" for role, content in told(name).context]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", EACH)
def test_the_story_goes_as_it_went(name: str) -> None:
    path = GOLDEN / f"{name.replace(' ', '_')}.txt"
    if UPDATE:
        path.write_text(page(name))
    assert page(name) == path.read_text()


@pytest.mark.parametrize("name", EACH)
def test_the_order_of_events_is_the_protocols(name: str) -> None:
    check_trace(told(name).realtime_events(), ended=False)


@pytest.mark.parametrize("name", EACH)
def test_no_turn_is_answered_twice(name: str) -> None:
    events = [event["type"] for _, event in told(name).events]
    wanted = events.count("input_audio_buffer.committed")
    asked = sum(deed.type == "response.create" for deed in STORIES[name].does)
    assert events.count("response.created") <= wanted + asked


@pytest.mark.parametrize("name", EACH)
def test_no_audio_of_a_response_comes_after_its_end(name: str) -> None:
    over: set[str] = set()
    epoch = 0
    for _, event in told(name).events:
        if event["type"] == "response.done":
            over.add(event["response"]["id"])
        elif event["type"] == "x_flush":
            epoch = event["epoch"]
        elif event["type"] in AUDIO:
            assert event.get("response_id") not in over
            assert event.get("epoch", epoch) >= epoch


def last_of_the_voice(told: Told) -> str | None:
    """The last thing that the client was told of its playback: speech that takes the floor ends it."""
    ends = ("x_resume", "response.done", "input_audio_buffer.speech_started")
    kinds = [event["type"] for _, event in told.events if event["type"] in ("x_duck", "x_pause", *ends)]
    return kinds[-1] if kinds else None


@pytest.mark.parametrize("name", EACH)
def test_the_voice_that_was_held_is_let_go(name: str) -> None:
    assert last_of_the_voice(told(name)) not in ("x_duck", "x_pause")


def test_no_golden_trace_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {name.replace(" ", "_") for name in STORIES}


# --- what one story alone shows -------------------------------------------------------------------------------


def test_what_was_held_goes_on_with_the_next_sample() -> None:
    plain = told("a question and its answer")
    assert len(plain.audio()) == 2 * 24 * 1080  # the four tones of "It is noon now."
    whole = perform(LONG_ANSWER).audio()
    assert told("a backchannel does not interrupt").audio() == whole
    assert told("two backchannels do not interrupt").audio() == whole


def test_the_voice_is_lowered_within_150_ms_of_the_first_voiced_sample() -> None:
    for name in ("a backchannel does not interrupt", "stop takes the floor", "words take the floor"):
        assert told(name).times("x_duck")[0] - 4.0 <= 0.15


def test_a_number_is_waited_for_because_the_agent_says_that_it_asks_for_one() -> None:
    pause_s = 0.9
    known = told("a number that the agent asks for is waited for")
    unknown = told("a number that nobody knows to be asked for is cut")
    assert [words for role, words in known.context if role == "user"][1:] == ["two nine three four"]
    assert [words for role, words in unknown.context if role == "user"][1:] == ["two nine", "three four"]
    assert unknown.times("input_audio_buffer.committed")[1] - 5.6 < pause_s


def test_a_tool_that_cannot_be_undone_runs_once_although_two_answers_were_prepared() -> None:
    ran: list[float] = []

    async def pay() -> str:
        """Pay."""
        ran.append(anyio.current_time())
        return "paid"

    story = STORIES["an irreversible tool does not run for a pause"]
    known = perform(replace(story, tools=(Tool.of(pay, effect="irreversible"),)))
    (paid_at,) = ran
    assert paid_at >= known.times("input_audio_buffer.committed")[0]
    assert known.stage.session.speculation.dropped == 1


def test_no_response_waits_longer_than_a_gate_after_its_end_is_certain() -> None:
    prepared = told("a pause inside a sentence is one turn")
    (committed,), audible = prepared.times("input_audio_buffer.committed"), prepared.audio_times()
    assert audible[0] - committed <= 0.005
    speculation = prepared.stage.session.speculation
    assert (speculation.started, speculation.kept, speculation.dropped) == (2, 1, 1)
    assert speculation.saved_ms > 400


def test_words_that_come_late_of_a_forgotten_sound_do_not_end_the_next_turn() -> None:
    story = Story(
        says=(
            Say(0.5, 1.5, "what time is it"),
            Say(4.0, 4.3, "yes."),  # read until 5.6, and cleared before
            Say(4.8, 5.45, "the the the"),
        ),
        answers=(LONG, "Yes?"),
        does=(Do(4.5, "input_audio_buffer.clear"), Do(4.6, "response.cancel")),
        recogniser_s=1.2,
        until_s=12.0,
    )
    ended = perform(story).times("input_audio_buffer.speech_stopped")
    assert ended[-1] - 5.45 > 1.0  # more is coming after "the", whatever "yes." would mean


def test_ten_minutes_of_conversation_are_forty_answers() -> None:
    says = tuple(Say(0.5 + 15 * n, 2.0 + 15 * n, "what time is it") for n in range(40))
    told = perform(Story(says=says, answers=("It is noon now.",), until_s=600.0))
    assert [event["response"]["status"] for _, event in told.events if event["type"] == "response.done"] == [
        "completed"
    ] * 40
    assert told.stage.session.speculation.kept == 40


def test_ten_minutes_with_interruptions_cost_two_turns_of_the_loop_a_frame() -> None:
    """One for the microphone's timer and one for the session to hear; all else hardly counts, whatever the machine."""
    told = perform(TEN_MINUTES)
    statuses = [event["response"]["status"] for _, event in told.events if event["type"] == "response.done"]
    assert statuses == [*["completed"] * 3, "cancelled", "completed"] * 10
    began_ms = [
        event["audio_start_ms"] for _, event in told.events if event["type"].endswith("speech_started")
    ]
    assert len(began_ms) == 50
    assert began_ms[-1] in range(589_500, 590_000)  # counted in samples: every frame was heard
    assert told.stage.loop_turns < 2.5 * TEN_MINUTES.until_s / FRAME_S


@pytest.mark.parametrize("at_s", [0.1, 1.0, 1.62, 2.0, 2.25, 3.0, 4.15, 4.35])
def test_hanging_up_at_any_time_leaves_nothing(at_s: float) -> None:
    """Idle, hearing, ending, thinking, speaking, ducked, paused: `run_virtual` fails when a task is left."""
    story = replace(STORIES["words take the floor"], does=(Do(at_s, "hang up"),), until_s=at_s + 0.1)
    assert perform(story).stage.wire.closed == (1000, "")


# --- whatever is said -----------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    ["", "mhm", "okay", "stop", "no", "what time is it", "make it five please", "four people"]
)


DETECTIONS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"type": "server_vad"},
    {"type": "server_vad", "interrupt_response": False},
    {"type": "server_vad", "create_response": False, "silence_duration_ms": 200},
    {"type": "semantic_vad", "eagerness": "high"},
)


def updates(detection: dict[str, Any] | None) -> dict[str, Any]:
    """The fields of a `session.update` to this turn detection."""
    return {"session": {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}}


DOES = st.one_of(
    st.sampled_from(
        [
            "response.create",
            "response.cancel",
            "output_audio_buffer.clear",
            "input_audio_buffer.commit",
            "input_audio_buffer.clear",
        ]
    ).map(lambda type: (type, dict[str, Any]())),
    st.sampled_from(DETECTIONS).map(lambda detection: ("session.update", updates(detection))),
)


@st.composite
def conversations(draw: st.DrawFn) -> Story:
    at_s, says = 0.3, []
    for _ in range(draw(st.integers(1, 5))):
        at_s += draw(st.sampled_from([0.1, 0.25, 0.5, 1.0, 2.0, 4.0]))
        end_s = at_s + draw(st.sampled_from([0.1, 0.3, 0.7, 1.5]))
        says.append(Say(at_s, end_s, draw(WORDS), draw(st.sampled_from(["voice", "voice", "noise"]))))
        at_s = end_s
    return Story(
        says=tuple(says),
        answers=(draw(st.sampled_from(["Yes.", LONG, "It is noon now."])),),
        until_s=at_s + 12,
        does=tuple(Do(draw(st.floats(0.1, at_s + 2)), *deed) for deed in draw(st.lists(DOES, max_size=3))),
        config=draw(st.sampled_from([SEMANTIC, FIXED, asking(Story(), interrupt_response=False).config])),
        holds_voice=draw(st.booleans()),
        model_s=draw(st.sampled_from([0.05, 0.5, 2.0])),
        model_hangs=draw(st.sampled_from([False, False, False, True])),
        voice=Conduct(delay_s=0.1, hangs=draw(st.sampled_from([False, False, False, True]))),
        recogniser_s=draw(st.sampled_from([0.01, 0.3, 1.2])),
        recogniser_fails=draw(st.sampled_from([False, False, False, True])),
        ends=(draw(st.sampled_from([None, 0.2, 1.0])),),
    )


def asks(at_s: float, name: str) -> Do:
    return Do(at_s, "response.create", {"event_id": name, "response": {"metadata": {"asked": name}}})


def ends_of(told: Told, name: str) -> list[str]:
    """How the request ended: its response was created, and then is over in some way; or it was refused."""
    found = []
    for _, event in told.events:
        response = event.get("response", {})
        if event["type"] == "error" and event["error"]["event_id"] == name:
            found.append("refused")
        elif (response.get("metadata") or {}).get("asked") == name:
            found.append("created" if event["type"] == "response.created" else response["status"])
    return found


@st.composite
def requests_over(draw: st.DrawFn) -> Story:
    """A conversation in which the client asks for answers at any time, often just as the last one is complete."""
    story = draw(conversations())
    times = st.one_of(st.floats(0.1, story.until_s - 11), st.sampled_from([2.7, 3.0, 3.1, 3.2, 8.4, 8.6]))
    asked = draw(st.lists(times, min_size=1, max_size=4))
    return replace(
        story,
        does=(*story.does, *(asks(at_s, f"ask_{n}") for n, at_s in enumerate(asked))),
        until_s=story.until_s + 6 * len(asked) + 10,
    )


@settings(max_examples=60)
@given(requests_over())
def test_every_request_ends_in_one_way_that_is_told(story: Story) -> None:
    told = perform(story)
    assert told.stage.wire.closed == (1000, "")
    check_trace(told.realtime_events(), ended=False)
    for deed in story.does:
        if name := deed.fields.get("event_id"):
            ends = ends_of(told, name)
            assert ends == ["refused"] or (ends[0] == "created" and len(ends) == 2), ends


ASKED_TWICE = Story(
    says=(ASK,),
    answers=("It is noon now.", "It is one.", "It is two."),
    until_s=9.0,
    does=(asks(3.0, "first"), asks(3.01, "second")),
)
"""Both come when the first answer is complete, at 2.96, and is still being played, until 3.36."""


def test_of_two_requests_at_the_end_of_an_answer_the_first_is_served_and_the_second_refused() -> None:
    told = perform(ASKED_TWICE)
    assert ends_of(told, "first") == ["created", "completed"]
    assert ends_of(told, "second") == ["refused"]


def test_a_request_that_waits_can_be_cancelled_and_the_answer_before_it_is_heard() -> None:
    story = replace(ASKED_TWICE, does=(asks(3.0, "first"), Do(3.1, "response.cancel")))
    told = perform(story)
    assert ends_of(told, "first") == ["created", "cancelled"]
    assert len(told.audio()) == len(perform(replace(story, does=())).audio())


def test_a_request_that_waits_is_told_when_the_person_takes_the_floor() -> None:
    story = replace(ASKED_TWICE, says=(ASK, Say(3.05, 3.9, "and in london")), does=(asks(3.0, "first"),))
    told = perform(replace(story, holds_voice=False, config=FIXED))
    assert ends_of(told, "first") == ["created", "cancelled"]
    assert told.context[-2:] == (("user", "and in london"), ("assistant", "It is one."))


@pytest.mark.parametrize("silence", ["response.cancel", "output_audio_buffer.clear"])
def test_a_turn_behind_an_answer_that_may_not_be_interrupted_is_answered_when_that_is_cancelled(
    silence: str,
) -> None:
    story = replace(STORIES["the answer may not be interrupted"], does=(Do(6.5, silence),))
    told = perform(story)
    assert told.context[-1] == ("assistant", "Very well.")


@settings(max_examples=60)
@given(conversations())
def test_any_conversation_keeps_the_rules(story: Story) -> None:
    check_rules(story, perform(story))


@settings(max_examples=15)
@given(conversations(), conversations())
def test_two_conversations_on_one_loop_keep_the_rules_and_go_as_they_go_alone(
    one: Story, other: Story
) -> None:
    for story, told in zip((one, other), perform_both(one, other), strict=True):
        check_rules(story, told)
        assert told.lines == perform(story).lines


def check_rules(story: Story, told: Told) -> None:
    assert told.stage.wire.closed == (1000, "")
    events = told.realtime_events()
    check_trace(events, ended=False)
    types = [event["type"] for event in events]
    asked = sum(deed.type == "response.create" for deed in story.does)
    assert types.count("response.created") <= types.count("input_audio_buffer.committed") + asked
    assert last_of_the_voice(told) not in ("x_duck", "x_pause")
    assert all(
        event.get("error", {}).get("type") != "server_error" for event in events if event["type"] == "error"
    )


def test_the_model_of_the_next_turn_is_given_the_call_although_its_answer_was_talked_over() -> None:
    asked = told("an interruption during a tool call").stage.model.requests[-1].messages
    shape = [(message.role, message.tool_call_id) for message in asked if message.role != "system"]
    (call,) = next(message.tool_calls for message in asked if message.role == "assistant")
    assert (call.name, call.arguments) == ("look_up", "{}")
    assert shape == [("user", None), ("assistant", None), ("tool", call.id), ("user", None)]


def test_a_tool_that_is_cut_off_with_its_answer_is_not_forgotten() -> None:
    async def pay() -> str:
        """Pay."""
        await anyio.sleep(8.0)
        return "paid"

    story = replace(
        STORIES["an interruption during a tool call"],
        answers=(PAYS, "Very well."),
        says=(ASK, Say(3.0, 3.8, "stop it please")),
        tools=(Tool.of(pay, effect="irreversible"),),
    )
    context = perform(story).context
    assert context[1:3] == (("assistant", ""), ("tool", CUT_OFF))


def words_told(told: Told, kind: str) -> list[str]:
    """Of each message: what the client was told of its words, by events of the kind."""
    named = {"delta": "delta", "done": "transcript"}[kind]
    return [
        event[named]
        for _, event in told.events
        if event["type"] == f"response.output_audio_transcript.{kind}"
    ]


@pytest.mark.parametrize(
    "cut",
    [
        {"does": (Do(3.4, "response.cancel"),)},
        {"says": (ASK, Say(3.2, 4.2, "make it five please")), "answers": (LONG, ""), "until_s": 5.0},
        {"voice": Conduct(delay_s=2.0, fails=ProviderError)},
    ],
    ids=["cancelled", "talked over", "failed"],
)
def test_an_answer_that_breaks_off_before_its_first_sound_leaves_no_words(cut: dict[str, Any]) -> None:
    story = replace(LONG_ANSWER, **{"voice": Conduct(delay_s=5.0), "until_s": 9.0, **cut})
    told = perform(story)
    assert told.audio() == b""
    assert not any(words_told(told, "delta"))
    done = [event["response"] for _, event in told.events if event["type"] == "response.done"]
    assert done
    assert not any(words_told(told, "done"))
    shown = [
        part["transcript"] for response in done for item in response["output"] for part in item["content"]
    ]
    assert not any(shown)
    assert not any(words for role, words in told.context if role == "assistant")
