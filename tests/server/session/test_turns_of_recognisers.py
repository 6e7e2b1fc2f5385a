"""Whatever a recogniser that finds the ends of turns says, and in whatever order, no word is answered twice."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stages.errors import ProviderError
from stages.ports import Transcript, TurnBegan, TurnEndsEarly, TurnHeard, TurnOver, TurnResumed, TurnsFailed
from stages.testing.turn_fakes import At
from tests.server.session.stories import asking
from tests.support.theatre import Do, Say, Story, perform
from tests.support.trace_checker import check_trace

STEPS = ("heard", "early", "resumed", "over")
AHEAD: dict[str, tuple[str, ...]] = {
    "heard": ("heard", "early", "over"),
    "early": ("resumed", "over"),
    "resumed": ("heard", "early", "over"),
    "over": ("heard",),
}


@st.composite
def scripts(draw: st.DrawFn) -> tuple[At, ...]:
    """Turns in any order that a recogniser may tell them in; every word is said once in all."""
    script, at_s, words, spoken = list[At](), 0.5, list[str](), 0
    may: tuple[str, ...] = ("heard",)
    for number in range(draw(st.integers(1, 14))):
        step = draw(st.sampled_from(may))
        at_s += draw(st.sampled_from((0.02, 0.3, 0.7, 1.6)))
        if step == "heard":
            if not words:
                script.append(At(at_s, TurnBegan(int(at_s * 16_000))))
            words.append(f"word{spoken}x{number}")
            spoken += 1
            script.append(At(at_s, TurnHeard(" ".join(words))))
        elif step == "resumed":
            script.append(At(at_s, TurnResumed()))
        else:
            kind = TurnEndsEarly if step == "early" else TurnOver
            script.append(At(at_s, kind(Transcript(" ".join(words)), int(at_s * 16_000))))
            words = [] if step == "over" else words
        may = AHEAD[step]
    if draw(st.integers(0, 4)) == 0:
        script.append(At(at_s + 0.1, TurnsFailed(ProviderError("scripted to fail"))))
    return tuple(script)


def heard_words(events: list[dict[str, Any]]) -> list[str]:
    done = "conversation.item.input_audio_transcription.completed"
    return [word for event in events if event["type"] == done for word in event["transcript"].split()]


@given(
    script=scripts(),
    says=st.lists(st.tuples(st.floats(0.3, 9), st.sampled_from((0.1, 0.5, 1.5))), max_size=3),
    commits=st.lists(st.floats(0.5, 9), max_size=1),
    holds_voice=st.booleans(),
)
@settings(max_examples=25)
def test_no_word_is_answered_twice(
    script: tuple[At, ...], says: list[tuple[float, float]], commits: list[float], holds_voice: bool
) -> None:
    told = perform(
        Story(
            says=tuple(Say(start_s, start_s + length_s) for start_s, length_s in sorted(says)),
            answers=("Yes.", "All right then."),
            until_s=30.0,
            turns=script,
            does=tuple(Do(at_s, "input_audio_buffer.commit") for at_s in commits),
            holds_voice=holds_voice,
        )
    )
    check_trace(told.realtime_events(), ended=False)
    events = [event for _, event in told.events]
    types = [event["type"] for event in events]
    assert types.count("response.created") <= types.count("input_audio_buffer.committed")
    words = heard_words(events)
    assert len(words) == len({*words}), f"a word is in two turns: {words}"


@given(script=scripts())
@settings(max_examples=15)
def test_no_word_of_a_turn_that_has_ended_is_lost_while_nobody_answers(script: tuple[At, ...]) -> None:
    ends = [at.event.transcript.text for at in script if isinstance(at.event, TurnOver)]
    told = perform(asking(Story(until_s=30.0, turns=script), create_response=False))
    assert set(" ".join(ends).split()) <= set(heard_words([event for _, event in told.events]))
