"""Nothing that the person said is answered before a guard has judged it, however it came about."""

import base64
import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.formats import SPEECH_HZ, Samples
from server.domain.values import SessionConfig, TurnDetection
from stageflow.core import StageContext, StageOutput
from stages.ports import Partial, Recognition, SpeechHints, Transcript
from stages.testing.fakes import Conduct, Heard, Said, ScriptedRecogniser
from tests.support.stage import SlowGuard, Stage, play, speak, voiced
from tests.support.trace_checker import check_trace

DONE = "response.done"
REFUSAL = "I must not."
NO_RESPONSE = SessionConfig(turn_detection=TurnDetection(create_response=False))
MANUAL = SessionConfig(turn_detection=None)

guarded = partial(Stage, "Fine.", "Good.", blocked=("open sesame",))


def typed(text: str, role: str = "user", **more: Any) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}], **more}


def add(stage: Stage, text: str, role: str = "user", after: str | None = None, **fields: Any) -> None:
    more = {} if after is None else {"previous_item_id": after}
    stage.wire.say("conversation.item.create", item=typed(text, role, **fields), **more)


async def answered(stage: Stage, count: int = 1, **response: Any) -> str:
    """Ask for a response, and what is said in it."""
    stage.wire.say("response.create", response={"output_modalities": ["text"], **response})
    content = (await stage.wire.until(DONE, count))["response"]["output"][0]["content"][0]
    return str(content["text"])


def told(stage: Stage, request: int = -1) -> list[str]:
    return [m.content for m in stage.model.requests[request].messages if m.role != "system"]


@pytest.mark.parametrize("texts", [("open sesame", "please"), ("hello", "open sesame"), ("open", "sesame")])
def test_all_of_several_typed_items_is_guarded_and_nothing_of_it_is_remembered(
    texts: tuple[str, ...],
) -> None:
    async def story(stage: Stage) -> None:
        for text in texts:
            add(stage, text)
        assert await answered(stage) == REFUSAL
        add(stage, "hello")
        assert await answered(stage, 2) in ("Fine.", "Good.")

    stage = play(guarded, story)
    check_trace(stage.wire.events())
    assert told(stage) == [REFUSAL, "hello"]


def test_an_answer_sees_all_items_as_they_are() -> None:
    async def story(stage: Stage) -> None:
        for text in ("one", "two", "three"):
            add(stage, text)
        assert await answered(stage) == "Fine."

    assert told(play(guarded, story)) == ["one", "two", "three"]


def test_what_has_passed_is_not_judged_again() -> None:
    async def story(stage: Stage) -> None:
        add(stage, "open")
        assert await answered(stage) == "Fine."
        add(stage, "sesame")
        assert await answered(stage, 2) == "Good."

    assert told(play(guarded, story)) == ["open", "Fine.", "sesame"]


UNTRUSTED = SessionConfig(turn_detection=None, trusts_items=False)
"""Of a session that a client secret with locks has opened."""


@pytest.mark.parametrize(
    "texts",
    [
        [("open sesame", "user"), ("As you wish.", "assistant"), ("hello", "user")],
        [("The word is open sesame.", "assistant"), ("hello", "user")],
        [("hello", "user"), ("open sesame", "assistant")],
    ],
)
def test_what_an_untrusted_client_writes_in_others_names_is_judged(texts: list[tuple[str, str]]) -> None:
    async def story(stage: Stage) -> None:
        for text, role in texts:
            add(stage, text, role)
        assert await answered(stage) == REFUSAL
        add(stage, "good day")
        assert await answered(stage, 2) in ("Fine.", "Good.")

    stage = play(partial(guarded, config=UNTRUSTED), story)
    assert not any("sesame" in text for text in told(stage))


def test_what_an_untrusted_client_writes_beside_the_conversation_is_judged_too() -> None:
    async def story(stage: Stage) -> None:
        items = [typed("open sesame"), typed("As you wish.", "assistant"), typed("hello")]
        assert await answered(stage, conversation="none", input=items) == REFUSAL

    play(partial(guarded, config=UNTRUSTED), story)


def test_what_the_client_wrote_an_answer_to_is_another_conversation() -> None:
    async def story(stage: Stage) -> None:
        add(stage, "open sesame")
        add(stage, "As you wish.", "assistant")
        add(stage, "hello")
        assert await answered(stage) == "Fine."

    assert told(play(guarded, story)) == ["open sesame", "As you wish.", "hello"]


async def speaks(stage: Stage) -> None:
    await speak(stage, 1.0)
    await stage.wire.until("input_audio_buffer.committed")


async def sends_a_clip(stage: Stage) -> None:
    audio = base64.b64encode(voiced(1.0).tobytes()).decode()
    item = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": audio}]}
    stage.wire.say("conversation.item.create", item=item)


@pytest.mark.parametrize("person", [speaks, sends_a_clip])
def test_what_was_heard_is_judged_though_the_client_writes_an_answer_to_it(
    person: Callable[[Stage], Awaitable[None]],
) -> None:
    async def story(stage: Stage) -> None:
        await person(stage)
        add(stage, "As you wish.", "assistant")
        assert await answered(stage) == REFUSAL
        add(stage, "hello")
        assert await answered(stage, 2) in ("Fine.", "Good.")

    stage = play(lambda: guarded(heard="open sesame", config=NO_RESPONSE), story)
    check_trace(stage.wire.events())
    assert told(stage) == ["As you wish.", REFUSAL, "hello"]


@pytest.mark.parametrize("after", ["root", None])
def test_it_does_not_matter_where_an_item_is_put(after: str | None) -> None:
    async def story(stage: Stage) -> None:
        add(stage, "hello")
        assert await answered(stage) == "Fine."
        add(stage, "open sesame", after=after)
        assert await answered(stage, 2) == REFUSAL

    play(guarded, story)


class SkippingGuard(SlowGuard):
    """One that has nothing to look at."""

    async def execute(self, ctx: StageContext) -> StageOutput:
        return StageOutput.skip("nothing to guard")


def test_a_guard_that_skips_lets_the_answer_out_as_it_comes() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hello")
        await stage.wire.until("response.output_item.added")
        assert anyio.current_time() < 2.0
        await stage.wire.until(DONE)

    slow = Said("One two three four.", conduct=Conduct(gap_s=1.0))
    play(lambda: Stage(slow, guard=SkippingGuard(blocks=False)), story)


def test_an_announcement_is_no_answer() -> None:
    async def story(stage: Stage) -> None:
        add(stage, "open sesame")
        await stage.wire.until("conversation.item.done")
        stage.session.remind(0.5, "Tea is ready.")
        await stage.wire.until(DONE)
        await anyio.sleep(5)
        assert await answered(stage, 2) == REFUSAL

    check_trace(play(guarded, story).wire.events())


async def cancelled(stage: Stage) -> None:
    stage.wire.say("response.create")
    stage.wire.say("response.cancel")
    await stage.wire.until(DONE)


def test_an_answer_that_was_cancelled_before_it_was_guarded_has_let_nothing_pass() -> None:
    async def story(stage: Stage) -> None:
        add(stage, "open sesame")
        await cancelled(stage)
        add(stage, "hello")
        assert await answered(stage, 2) == REFUSAL

    stage = play(guarded, story)
    check_trace(stage.wire.events())
    assert all("open sesame" not in told(stage, n) for n in range(len(stage.model.requests)))


def test_typed_words_are_guarded_with_the_spoken_ones_behind_them() -> None:
    async def story(stage: Stage) -> None:
        add(stage, "open sesame")
        await speak(stage, 1.0)
        done = (await stage.wire.until(DONE))["response"]
        assert done["output"][0]["content"][0]["transcript"] == REFUSAL
        add(stage, "hello")
        await answered(stage, 2)

    stage = play(guarded, story)
    check_trace(stage.wire.events())
    assert told(stage) == [REFUSAL, "hello"]


@pytest.mark.parametrize("config", [NO_RESPONSE, MANUAL], ids=["detected", "committed"])
def test_all_of_several_spoken_items_is_guarded(config: SessionConfig) -> None:
    async def story(stage: Stage) -> None:
        for _ in range(2):
            await speak(stage, 1.0)
            if config.turn_detection is None:
                stage.wire.say("input_audio_buffer.commit")
        await stage.wire.until("input_audio_buffer.committed", 2)
        assert await answered(stage) == REFUSAL

    recogniser_script = (Heard("open sesame", conduct=Conduct(delay_s=1.0)), "please")
    stage = play(lambda: guarded_with(recogniser_script, config), story)
    check_trace(stage.wire.events())


def guarded_with(script: tuple[str | Heard, ...], config: SessionConfig) -> Stage:
    return guarded(recogniser=ScriptedRecogniser(*script), config=config)


def test_an_interrupted_turn_is_guarded_with_the_next_one() -> None:
    """The words of the first are known only after the person has interrupted its answer."""

    async def story(stage: Stage) -> None:
        await speak(stage, 1.0, 0.6)
        await speak(stage, 1.0)
        await stage.wire.until(DONE)
        await anyio.sleep(10)

    script = (Heard("open sesame", conduct=Conduct(delay_s=3.0)), "please")
    stage = play(lambda: guarded_with(script, SessionConfig()), story)
    check_trace(stage.wire.events())
    said = [event["transcript"] for event in stage.wire.events() if event["type"].endswith("transcript.done")]
    assert said == [REFUSAL]


@pytest.mark.parametrize(
    ("typed_before", "in_the_pause", "at_the_end", "response", "remembered"),
    [
        (
            "My name is Ann.",
            "open sesame",
            "open says a me",
            "Fine.",
            ["My name is Ann.", "open says a me", "Fine."],
        ),
        ("open", "please", "sesame", REFUSAL, [REFUSAL]),
    ],
    ids=["misheard as blocked words", "misheard as harmless"],
)
def test_a_pause_that_was_not_the_end_leaves_no_verdict(
    typed_before: str, in_the_pause: str, at_the_end: str, response: str, remembered: list[str]
) -> None:
    async def story(stage: Stage) -> None:
        add(stage, typed_before)
        await speak(stage, 1.0, 0.5)
        await speak(stage, 1.2, 1.5)
        done = (await stage.wire.until(DONE))["response"]
        assert done["output"][0]["content"][0]["transcript"] == response
        await anyio.sleep(5)
        add(stage, "And?")
        await answered(stage, 2)

    config = SessionConfig(turn_detection=TurnDetection(silence_duration_ms=900))
    stage = play(lambda: guarded(recogniser=Misheard(in_the_pause, at_the_end), config=config), story)
    check_trace(stage.wire.events())
    assert stage.session.speculation.dropped == 1
    assert told(stage) == [*remembered, "And?"]


class Misheard:
    """Reads one thing in the first 1.6 s, and another thing in all of it."""

    rate_hz = SPEECH_HZ

    def __init__(self, *readings: str) -> None:
        self._readings = readings

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> Recognition:
        return _MisheardRecognition(*self._readings)


class _MisheardRecognition:
    def __init__(self, early: str, late: str) -> None:
        self._early = early
        self._late = late
        self._samples = 0

    def push(self, samples: Samples) -> None:
        self._samples += len(samples)

    async def final(self) -> Transcript:
        return Transcript(self._early if self._samples < 1.6 * SPEECH_HZ else self._late)

    def close(self) -> None:
        pass


BESIDE: dict[str, Callable[[Stage], dict[str, Any]]] = {
    "new items": lambda stage: {"input": [typed("open sesame"), typed("please")]},
    "the conversation": lambda stage: {},
}


@pytest.mark.parametrize("about", BESIDE)
def test_replies_beside_the_conversation_are_guarded_too(about: str) -> None:
    async def story(stage: Stage) -> None:
        add(stage, "open sesame")
        add(stage, "please")
        assert await answered(stage, conversation="none", **BESIDE[about](stage)) == REFUSAL

    check_trace(play(guarded, story).wire.events())


@pytest.mark.parametrize("modality", ["text", "audio"])
def test_what_is_blocked_beside_the_conversation_is_not_blocked_in_it(modality: str) -> None:
    async def story(stage: Stage) -> None:
        add(stage, "My name is Ann.", id="ann")
        items = [{"type": "item_reference", "id": "ann"}, typed("open sesame")]
        beside = {"conversation": "none", "input": items, "output_modalities": [modality]}
        stage.wire.say("response.create", response=beside)
        content = (await stage.wire.until(DONE))["response"]["output"][0]["content"][0]
        assert REFUSAL in content.values()
        await anyio.sleep(5)
        add(stage, "What is my name?")
        assert await answered(stage, 2) in ("Fine.", "Good.")

    stage = play(guarded, story)
    check_trace(stage.wire.events())
    assert told(stage) == ["My name is Ann.", "What is my name?"]


def test_what_passes_beside_the_conversation_is_judged_in_it_all_the_same() -> None:
    async def story(stage: Stage) -> None:
        add(stage, "open", id="half")
        half = [{"type": "item_reference", "id": "half"}]
        assert await answered(stage, conversation="none", input=half) == "Fine."
        add(stage, "sesame")
        assert await answered(stage, 2) == REFUSAL

    play(guarded, story)


def test_a_session_that_has_long_listened_is_answered() -> None:
    async def story(stage: Stage) -> None:
        for _ in range(3):
            add(stage, "word" * 900)
        assert await answered(stage) == "Fine."

    assert told(play(guarded, story)) == ["word" * 900] * 3


def test_what_is_too_long_to_be_judged_takes_nothing_else_with_it() -> None:
    async def story(stage: Stage) -> None:
        add(stage, "My name is Ann.")
        add(stage, "word " * 900)
        add(stage, "open")
        assert await answered(stage) == REFUSAL
        add(stage, "What is my name?")
        assert await answered(stage, 2) in ("Fine.", "Good.")
        add(stage, "sesame")
        assert await answered(stage, 3) in ("Fine.", "Good.")

    stage = play(guarded, story)
    check_trace(stage.wire.events())
    assert told(stage, -2) == ["My name is Ann.", "open", REFUSAL, "What is my name?"]


def test_what_was_beside_a_text_that_is_too_long_is_still_to_be_judged() -> None:
    async def story(stage: Stage) -> None:
        add(stage, "open")
        add(stage, "word " * 900)
        assert await answered(stage) == REFUSAL
        add(stage, "sesame")
        assert await answered(stage, 2) == REFUSAL

    check_trace(play(guarded, story).wire.events())


def test_a_blocked_response_that_is_asked_for_again_is_blocked_again() -> None:
    async def story(stage: Stage) -> None:
        add(stage, "open sesame")
        assert await answered(stage) == REFUSAL
        items = [{"type": "item_reference", "id": item_id} for item_id in ids(stage)[:1]]
        assert await answered(stage, 2, conversation="none", input=items) == REFUSAL

    def ids(stage: Stage) -> list[str]:
        return [event["item"]["id"] for event in stage.wire.events() if event["type"].endswith("item.added")]

    slow = Said("Never.", conduct=Conduct(delay_s=1.0))
    play(lambda: Stage(slow, blocked=("open sesame",)), story)


@pytest.mark.parametrize("modality", ["audio", "text"])
def test_a_program_can_tell_a_refusal_from_an_answer(modality: str) -> None:
    async def story(stage: Stage) -> None:
        for number, text in enumerate(("open sesame", "good morning"), 1):
            add(stage, text)
            metadata = {"page": "home"}
            stage.wire.say(
                "response.create", response={"output_modalities": [modality], "metadata": metadata}
            )
            done = await stage.wire.until("response.done", number)
            guard = {"x_guard": "blocked"} if text == "open sesame" else {}
            assert done["response"]["metadata"] == metadata | guard

    play(guarded, story)


def test_a_spoken_turn_that_is_refused_says_so_from_its_beginning() -> None:
    async def story(stage: Stage) -> None:
        await speak(stage, 1.0)
        for kind in ("response.created", "response.done"):
            assert (await stage.wire.until(kind))["response"]["metadata"] == {"x_guard": "blocked"}

    play(lambda: Stage("Fine.", heard="open sesame", blocked=("open sesame",)), story)


class TimedGuard(SlowGuard):
    """Knows when it has judged."""

    judged_at = math.inf

    async def execute(self, ctx: StageContext) -> StageOutput:
        verdict = await super().execute(ctx)
        self.judged_at = anyio.current_time()
        return verdict


SOME_S = st.floats(0.0, 2.0)


def first_sound_at(stage: Stage) -> float:
    return next(at for at, event in stage.wire.seen if event["type"] == "response.output_audio.delta")


@pytest.mark.no_cover
@settings(max_examples=200, deadline=None)
@given(judges_s=SOME_S, writes_s=SOME_S, speaks_s=SOME_S, blocks=st.booleans())
def test_no_sample_leaves_before_the_verdict_and_none_waits_longer_than_for_it(
    judges_s: float, writes_s: float, speaks_s: float, blocks: bool
) -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hello")
        await stage.wire.until(DONE)

    def stage_of(guard: SlowGuard | None) -> Stage:
        said = Said("Of course, it is noon.", conduct=Conduct(delay_s=writes_s))
        return Stage(said, voice=Conduct(delay_s=speaks_s), guard=guard)

    guard = TimedGuard(blocks=blocks, delay_s=judges_s)
    stage = play(partial(stage_of, guard), story)
    assert first_sound_at(stage) >= guard.judged_at
    if blocks:
        (done,) = [event for event in stage.wire.events() if event["type"] == DONE]
        assert done["response"]["output"][0]["content"][0]["transcript"] == REFUSAL
        return
    ready_at = first_sound_at(play(partial(stage_of, None), story))
    assert first_sound_at(stage) == pytest.approx(max(ready_at, guard.judged_at), abs=0.001)
