"""Recorded speech in items that the client writes: heard, guarded and answered like speech that is spoken live."""

import base64
import gc
from typing import Any

import anyio
import pytest

from audio.formats import AudioFormat, Encoding
from audio.g711 import encode_mulaw
from server.conversation.clip_transcription import ClipTranscription
from server.domain.deadlines import Deadlines
from server.domain.limits import Limits
from server.domain.values import SessionConfig, TurnDetection
from stages.errors import ProviderError
from stages.testing.fakes import Conduct, Heard, Said, ScriptedRecogniser
from tests.support.stage import Stage, play, speak, voice_v1, voiced
from tests.support.trace_checker import check_trace

TOLD = SessionConfig(transcription=True)
MANUAL = SessionConfig(transcription=True, turn_detection=None)
DONE = "response.done"
TRANSCRIPTION = "conversation.item.input_audio_transcription"
COMPLETED, FAILED = f"{TRANSCRIPTION}.completed", f"{TRANSCRIPTION}.failed"
FAILING = Conduct(fails=ProviderError)
APOLOGY = "Sorry, something went wrong on my side. Please say that again."


def clip(seconds: float = 1.0, **more: Any) -> dict[str, Any]:
    audio = base64.b64encode(voiced(seconds).tobytes()).decode()
    return {"type": "input_audio", "audio": audio, **more}


def typed(text: str) -> dict[str, Any]:
    return {"type": "input_text", "text": text}


def message(*content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": list(content), **more}


def add(stage: Stage, *content: dict[str, Any], id: str = "clip", **more: Any) -> None:
    item = message(*content, id=id)
    stage.wire.say("conversation.item.create", item=item, event_id="c1", **more)


def response(stage: Stage, modality: str = "text", **more: Any) -> None:
    stage.wire.say("response.create", response={"output_modalities": [modality], **more})


async def retrieved(stage: Stage, item_id: str = "clip", count: int = 1) -> list[dict[str, Any]]:
    stage.wire.say("conversation.item.retrieve", item_id=item_id)
    content: list[dict[str, Any]] = (await stage.wire.until("conversation.item.retrieved", count))["item"][
        "content"
    ]
    return content


def told(stage: Stage, request: int = -1) -> list[str]:
    return [m.content for m in stage.model.requests[request].messages if m.role != "system"]


def texts(stage: Stage, kind: str, key: str) -> list[str]:
    return [event[key] for event in stage.wire.events() if event["type"] == kind]


def response_of(stage: Stage, number: int = 0) -> dict[str, Any]:
    ends: list[dict[str, Any]] = [event["response"] for event in stage.wire.events() if event["type"] == DONE]
    return ends[number]


def said(stage: Stage, number: int = 0) -> str:
    """The text of a response."""
    content = response_of(stage, number)["output"][0]["content"][0]
    return str(content.get("transcript") or content.get("text"))


# --- heard and answered -----------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", ["text", "audio"])
def test_a_clip_is_added_recognised_and_answered(modality: str) -> None:
    async def story(stage: Stage) -> None:
        add(stage, clip())
        response(stage, modality)
        await stage.wire.until(DONE)
        await stage.wire.until(COMPLETED)
        assert await retrieved(stage) == [{"type": "input_audio", "transcript": "what time is it"}]

    stage = play(lambda: Stage("It is noon.", heard="what time is it", config=TOLD), story)
    check_trace(stage.wire.events())
    events = stage.wire.events()
    types = [event["type"] for event in events]
    item = events[types.index("conversation.item.added")]["item"]
    assert item["content"] == [{"type": "input_audio", "transcript": None}]
    assert (item["id"], item["status"]) == ("clip", "completed")
    assert types.index("conversation.item.done") < types.index(f"{TRANSCRIPTION}.delta")
    heard = events[types.index(COMPLETED)]
    assert (heard["item_id"], heard["content_index"]) == ("clip", 0)
    assert heard["usage"] == {"type": "duration", "seconds": 1.0}
    assert texts(stage, f"{TRANSCRIPTION}.delta", "delta") == [heard["transcript"]] == ["what time is it"]
    assert told(stage) == ["what time is it"]
    assert (response_of(stage)["status"], said(stage)) == ("completed", "It is noon.")


def test_a_clip_between_typed_words_is_answered_with_them() -> None:
    async def story(stage: Stage) -> None:
        add(stage, typed("Who sings this?"), clip(), typed("Be brief."))
        response(stage)
        await stage.wire.until(DONE)
        content = [
            typed("Who sings this?"),
            {"type": "input_audio", "transcript": "la la"},
            typed("Be brief."),
        ]
        assert await retrieved(stage) == content

    stage = play(lambda: Stage("A bird.", heard="la la", config=TOLD), story)
    check_trace(stage.wire.events())
    assert [event["content_index"] for event in stage.wire.events() if event["type"] == COMPLETED] == [1]
    assert told(stage) == ["Who sings this?\nla la\nBe brief."]


def test_several_clips_are_read_in_order() -> None:
    async def story(stage: Stage) -> None:
        add(stage, clip(), clip(), id="one")
        add(stage, clip(), id="two")
        response(stage)
        await stage.wire.until(DONE)

    recogniser = ScriptedRecogniser(*[Heard(text, conduct=Conduct(delay_s=0.5)) for text in "abc"])
    stage = play(lambda: Stage("Fine.", recogniser=recogniser, config=TOLD), story)
    check_trace(stage.wire.events())
    assert texts(stage, COMPLETED, "transcript") == ["a", "b", "c"]
    assert told(stage) == ["a\nb", "c"]


def test_without_transcription_nobody_is_told_what_was_heard_until_they_ask() -> None:
    async def story(stage: Stage) -> None:
        add(stage, clip())
        assert await retrieved(stage) == [{"type": "input_audio", "transcript": None}]
        await anyio.sleep(5)
        assert await retrieved(stage, count=2) == [{"type": "input_audio", "transcript": "hello there"}]

    stage = play(Stage, story)
    assert not [kind for kind in stage.wire.types() if kind.startswith(TRANSCRIPTION)]


def test_the_clients_transcript_is_shown_and_not_believed() -> None:
    async def story(stage: Stage) -> None:
        add(stage, clip(transcript="something harmless"))
        response(stage)
        await stage.wire.until(DONE)
        shown = [{"type": "input_audio", "transcript": "something harmless"}]
        assert await retrieved(stage) == shown
        assert (await stage.wire.until("conversation.item.added"))["item"]["content"] == shown

    stage = play(
        lambda: Stage("No.", heard="say the forbidden word", blocked=("forbidden",), config=TOLD), story
    )
    check_trace(stage.wire.events())
    assert texts(stage, COMPLETED, "transcript") == ["say the forbidden word"]
    assert said(stage) == "I must not."


def test_a_response_that_is_asked_for_waits_for_the_words() -> None:
    async def story(stage: Stage) -> None:
        add(stage, clip())
        response(stage, "audio")
        await stage.wire.until(DONE)

    slow = Heard("what time is it", conduct=Conduct(delay_s=5.0))
    stage = play(lambda: Stage("It is noon.", heard=slow, config=TOLD, dialect=voice_v1), story)
    at = {event["type"]: at_s for at_s, event in reversed(stage.wire.seen)}
    assert at["response.created"] < 0.1
    assert 5.0 <= at[COMPLETED] <= at["response.output_audio_transcript.delta"]
    (timed,) = [event for event in stage.wire.events() if event["type"] == "x_metrics"]
    assert 5000 <= timed["ms"]["transcript"] < 5100


def test_a_clip_without_words_is_answered_as_silence_is() -> None:
    async def story(stage: Stage) -> None:
        add(stage, {"type": "input_audio", "audio": base64.b64encode(bytes(48_000)).decode()})
        response(stage)
        await stage.wire.until(DONE)

    stage = play(lambda: Stage("Is anybody there?", config=TOLD), story)
    check_trace(stage.wire.events())
    assert texts(stage, COMPLETED, "transcript") == [""]
    assert told(stage) == ["[silence]"]


def test_a_clip_is_in_the_format_that_the_session_had_when_it_came() -> None:
    phone = SessionConfig(input_format=AudioFormat(Encoding.PCMU, 8_000), transcription=True)
    audio = base64.b64encode(encode_mulaw(voiced(1.5, 8_000))).decode()
    other = {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcm", "rate": 24_000}}}}

    async def story(stage: Stage) -> None:
        add(stage, {"type": "input_audio", "audio": audio})
        stage.wire.say("session.update", session=other)
        assert (await stage.wire.until(COMPLETED))["usage"]["seconds"] == 1.5

    check_trace(play(lambda: Stage(config=phone), story).wire.events())


def test_a_session_that_only_transcribes_hears_clips_too() -> None:
    config = SessionConfig(purpose="transcription", transcription=True)

    async def story(stage: Stage) -> None:
        add(stage, clip())
        assert (await stage.wire.until(COMPLETED))["item_id"] == "clip"

    stage = play(lambda: Stage(config=config), story)
    check_trace(stage.wire.events())
    assert "response.created" not in stage.wire.types()


# --- guarded ----------------------------------------------------------------------------------------------


def test_blocked_words_in_a_clip_are_refused_and_never_reach_the_model() -> None:
    async def story(stage: Stage) -> None:
        add(stage, clip())
        response(stage)
        await stage.wire.until(DONE)
        add(stage, typed("hello"), id="next")
        response(stage)
        await stage.wire.until(DONE, 2)

    stage = play(lambda: Stage("Hi.", heard="the forbidden word", blocked=("forbidden",), config=TOLD), story)
    check_trace(stage.wire.events())
    assert (said(stage), said(stage, 1)) == ("I must not.", "Hi.")
    assert told(stage) == ["I must not.", "hello"]


# --- gone wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", ["text", "audio"])
@pytest.mark.parametrize("conduct", [FAILING, Conduct(hangs=True)], ids=["fails", "hangs"])
def test_a_clip_that_cannot_be_recognised_fails_the_response_aloud(conduct: Conduct, modality: str) -> None:
    async def story(stage: Stage) -> None:
        add(stage, typed("Who is this?"), clip())
        response(stage, modality)
        failed = await stage.wire.until(FAILED)
        assert (failed["content_index"], failed["error"]["code"]) == (1, "transcription_failed")
        await stage.wire.until(DONE)
        await anyio.sleep(10)
        add(stage, typed("hello"), id="next")
        response(stage)
        await stage.wire.until(DONE, 2)

    stage = play(lambda: Stage("Hi.", heard=Heard("x", conduct=conduct), config=TOLD), story)
    check_trace(stage.wire.events())
    assert (response_of(stage)["status"], said(stage)) == ("failed", APOLOGY)
    assert response_of(stage)["status_details"]["error"]["message"] == "stage 'stt' failed"
    assert (response_of(stage, 1)["status"], said(stage, 1)) == ("completed", "Hi.")
    waited_s = next(at for at, event in stage.wire.seen if event["type"] == FAILED)
    assert waited_s == pytest.approx(Deadlines().clip_s if conduct.hangs else 0.0, abs=0.1)


def test_nobody_answers_half_of_what_was_said() -> None:
    async def story(stage: Stage) -> None:
        add(stage, clip())
        await stage.wire.until(FAILED)
        for number in range(2):
            add(stage, typed("ResponseRun what I have recorded."), id=f"next_{number}")
            response(stage)
            await stage.wire.until(DONE, number + 1)

    stage = play(lambda: Stage("Fine.", heard=Heard("x", conduct=FAILING), config=TOLD), story)
    check_trace(stage.wire.events())
    assert response_of(stage)["status"] == "failed"
    assert said(stage, 1) == "Fine.", "the apology was an answer"


@pytest.mark.no_cover
def test_more_than_can_be_waited_for_is_refused_and_nothing_of_it_is_done() -> None:
    async def story(stage: Stage) -> None:
        for number in range(4):
            add(stage, clip(40.0), id=f"item_{number}")
        error = (await stage.wire.until("error"))["error"]
        assert (error["type"], error["code"]) == ("rate_limit_error", "too_much_audio")
        assert (error["param"], error["event_id"]) == ("item.content", "c1")
        assert "120 s" in error["message"]
        await stage.wire.until(COMPLETED, 3)
        add(stage, clip(40.0), id="item_3")
        await stage.wire.until(COMPLETED, 4)

    slow = Heard("x", conduct=Conduct(delay_s=5.0))
    stage = play(lambda: Stage(heard=slow, config=TOLD), story)
    check_trace(stage.wire.events())
    assert stage.wire.types().count("conversation.item.added") == 4


def test_many_short_clips_are_as_much_to_wait_for_as_a_long_one() -> None:
    async def story(stage: Stage) -> None:
        for number in range(2):
            add(stage, *[{"type": "input_audio", "audio": "AAA="}] * 64, id=f"item_{number}")
        error = (await stage.wire.until("error"))["error"]
        assert (error["code"], error["param"]) == ("too_much_audio", "item.content")
        assert "64.0 s" in error["message"]
        assert "1 s at least" in error["message"]

    stage = play(lambda: Stage(heard=Heard("x", conduct=Conduct(hangs=True))), story)
    check_trace(stage.wire.events())
    assert stage.wire.types().count("conversation.item.added") == 1


@pytest.mark.no_cover
def test_clips_of_items_that_had_to_go_are_not_waited_for() -> None:
    async def story(stage: Stage) -> None:
        for number in range(3):
            add(stage, clip(40.0), id=f"item_{number}")
        for number in range(Limits().max_items):
            add(stage, typed("hello"), id=f"typed_{number}")
        gone = await stage.wire.until(FAILED, 3)
        assert gone["error"]["message"] == "its item had to make room for others"
        add(stage, clip(40.0), id="newest")
        await stage.wire.until(FAILED, 4)

    stage = play(lambda: Stage(heard=Heard("x", conduct=Conduct(hangs=True)), config=TOLD), story)
    check_trace(stage.wire.events())
    assert texts(stage, FAILED, "item_id") == ["item_0", "item_1", "item_2", "newest"]
    assert "error" not in stage.wire.types()


def test_an_item_that_is_put_where_the_oldest_are_is_read_though_it_has_to_go() -> None:
    async def story(stage: Stage) -> None:
        for number in range(Limits().max_items):
            add(stage, typed("hello"), id=f"typed_{number}")
        add(stage, clip(), previous_item_id="root")
        await stage.wire.until(COMPLETED)

    stage = play(lambda: Stage(config=TOLD), story)
    check_trace(stage.wire.events())
    assert texts(stage, COMPLETED, "item_id") == ["clip"]


def test_nothing_is_kept_of_deleted_clips_while_another_one_is_read() -> None:
    async def story(stage: Stage) -> None:
        add(stage, clip())
        for number in range(100):
            add(stage, clip(0.1), id=f"item_{number}")
            stage.wire.say("conversation.item.delete", item_id=f"item_{number}")
        await stage.wire.until("conversation.item.deleted", 100)
        gc.collect()
        assert sum(isinstance(each, ClipTranscription) for each in gc.get_objects()) < 5

    check_trace(play(lambda: Stage(heard=Heard("x", conduct=Conduct(hangs=True))), story).wire.events())


def test_an_item_that_is_refused_is_not_read() -> None:
    async def story(stage: Stage) -> None:
        add(stage, typed("hello"))
        add(stage, clip())  # under the same id
        assert (await stage.wire.until("error"))["error"]["param"] == "item.id"
        await anyio.sleep(5)

    stage = play(lambda: Stage(config=TOLD), story)
    check_trace(stage.wire.events())
    assert COMPLETED not in stage.wire.types()


# --- interrupted ------------------------------------------------------------------------------------------

SLOW = Conduct(delay_s=4.0)


def test_speech_during_the_wait_is_answered_together_with_the_clip() -> None:
    async def story(stage: Stage) -> None:
        add(stage, clip())
        response(stage, "audio")
        await stage.wire.until("response.created")
        await speak(stage, 1.0)
        await stage.wire.until(DONE, 2)

    recogniser = ScriptedRecogniser(Heard("first", conduct=SLOW), "second", Heard("first", conduct=SLOW))
    stage = play(lambda: Stage("Both.", recogniser=recogniser, config=TOLD), story)
    check_trace(stage.wire.events())
    assert response_of(stage)["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert (said(stage, 1), told(stage)) == ("Both.", ["first", "second"])


def test_a_response_that_is_cancelled_during_the_wait_does_not_end_the_reading() -> None:
    async def story(stage: Stage) -> None:
        add(stage, clip())
        response(stage)
        await stage.wire.until("response.created")
        await anyio.sleep(1.0)
        stage.wire.say("response.cancel")
        await stage.wire.until(DONE)
        await stage.wire.until(COMPLETED)
        response(stage)
        await stage.wire.until(DONE, 2)

    stage = play(lambda: Stage("Fine.", heard=Heard("hello", conduct=SLOW), config=TOLD), story)
    check_trace(stage.wire.events())
    assert response_of(stage)["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert told(stage) == ["hello"]


@pytest.mark.parametrize("waits", [True, False])
def test_an_item_that_is_deleted_is_not_read_any_more(waits: bool) -> None:
    async def story(stage: Stage) -> None:
        add(stage, typed("hello"), id="before")
        add(stage, clip())
        add(stage, clip(), id="behind")
        if waits:
            response(stage)
            await stage.wire.until("response.created")
        await anyio.sleep(1.0)
        stage.wire.say("conversation.item.delete", item_id="clip")
        await stage.wire.until(COMPLETED)
        if not waits:
            response(stage)
        await stage.wire.until(DONE)
        await anyio.sleep(10)

    recogniser = ScriptedRecogniser(Heard("gone", conduct=Conduct(hangs=True)), "still here")
    stage = play(lambda: Stage("Fine.", recogniser=recogniser, config=TOLD), story)
    check_trace(stage.wire.events())
    assert texts(stage, COMPLETED, "item_id") == ["behind"]
    assert told(stage) == ["hello", "still here"]
    assert next(at for at, event in stage.wire.seen if event["type"] == COMPLETED) < 1.1


HANGING = Conduct(hangs=True)


@pytest.mark.parametrize("modality", ["text", "audio"])
def test_all_clips_of_an_answer_are_waited_for_together(modality: str) -> None:
    async def story(stage: Stage) -> None:
        add(stage, clip(), clip(), typed("Who is this?"))
        response(stage, modality)
        await stage.wire.until(DONE)
        await anyio.sleep(60)

    script = (Heard("x", conduct=Conduct(delay_s=15.0)), Heard("y", conduct=HANGING))
    stage = play(lambda: Stage(recogniser=ScriptedRecogniser(*script), config=TOLD), story)
    check_trace(stage.wire.events())
    assert (response_of(stage)["status"], said(stage)) == ("failed", APOLOGY)
    assert response_of(stage)["status_details"]["error"]["message"] == "stage 'stt' failed"
    began = [at for at, event in stage.wire.seen if event["type"] == "response.output_item.added"]
    assert began == pytest.approx([Deadlines().clip_s], abs=0.1), "it has apologised once"


def test_a_clip_that_an_answer_did_not_wait_for_is_heard_guarded_and_answered_later() -> None:
    async def story(stage: Stage) -> None:
        add(stage, clip(), clip())
        response(stage)
        await stage.wire.until(DONE)
        add(stage, typed("hello"), id="next")
        response(stage)
        await stage.wire.until(DONE, 2)
        add(stage, typed("hello"), id="last")
        response(stage)
        await stage.wire.until(DONE, 3)

    slow = [Heard(text, conduct=Conduct(delay_s=15.0)) for text in ("one", "two", "two")]
    blocked = [slow[0], *[Heard("forbidden", conduct=Conduct(delay_s=15.0))] * 2]
    stage = play(lambda: Stage("Fine.", recogniser=ScriptedRecogniser(*slow), config=TOLD), story)
    check_trace(stage.wire.events())
    assert [said(stage, n) for n in range(2)] == [APOLOGY, "Fine."]
    assert told(stage, 0) == ["one\ntwo", APOLOGY, "hello"]
    recogniser = ScriptedRecogniser(*blocked)
    stage = play(lambda: Stage("Fine.", recogniser=recogniser, blocked=("forbidden",), config=TOLD), story)
    check_trace(stage.wire.events())
    assert [said(stage, n) for n in range(3)] == [APOLOGY, "I must not.", "Fine."]
    assert not [words for words in told(stage) if "one" in words or "forbidden" in words]


def test_nobody_answers_while_an_older_clip_is_still_to_be_heard() -> None:
    """Its words would be told later, under a verdict that was not on them."""

    async def story(stage: Stage) -> None:
        add(stage, typed("say"), *[clip()] * 3)
        for number in range(2):
            response(stage)
            await stage.wire.until(DONE, number + 1)
            add(stage, typed("hello"), id=f"next_{number}")
        await stage.wire.until(FAILED, 2)
        await stage.wire.until(COMPLETED)
        response(stage)
        await stage.wire.until(DONE, 3)

    script = (*[Heard("x", conduct=HANGING)] * 2, Heard("the forbidden word", conduct=Conduct(delay_s=5.0)))
    recogniser = ScriptedRecogniser(*script)
    stage = play(lambda: Stage("Fine.", recogniser=recogniser, blocked=("forbidden",), config=TOLD), story)
    check_trace(stage.wire.events())
    assert [said(stage, n) for n in range(3)] == [APOLOGY, APOLOGY, "I must not."]
    assert not stage.model.requests


@pytest.mark.parametrize("waits", [True, False])
def test_nothing_is_left_of_a_reading_when_the_session_ends(waits: bool) -> None:
    closed: list[str] = []

    class Watched(ScriptedRecogniser):
        def open(self, on_partial: Any = None, **hints: Any) -> Any:
            recognition: Any = super().open(on_partial)
            recognition.close = lambda: closed.append("closed")
            return recognition

    async def story(stage: Stage) -> None:
        add(stage, clip())
        if waits:
            response(stage)
        await anyio.sleep(1.0)

    recogniser = Watched(Heard("x", conduct=Conduct(hangs=True)))
    stage = play(lambda: Stage(recogniser=recogniser, config=TOLD), story)
    assert stage.wire.closed == (1000, "")
    assert closed == ["closed"]


# --- beside the conversation ------------------------------------------------------------------------------


def beside(stage: Stage, *content: dict[str, Any]) -> None:
    response(stage, conversation="none", input=[message(*content)], metadata={"topic": "weather"})


def test_a_response_beside_the_conversation_may_be_about_a_clip() -> None:
    async def story(stage: Stage) -> None:
        beside(stage, typed("Translate:"), clip())
        await stage.wire.until(DONE)
        add(stage, typed("hello"), id="next")
        response(stage)
        await stage.wire.until(DONE, 2)

    stage = play(lambda: Stage("Hallo.", heard="hello there", config=TOLD), story)
    check_trace(stage.wire.events())
    assert not [kind for kind in stage.wire.types() if kind.startswith(TRANSCRIPTION)]
    assert (told(stage, 0), told(stage, 1)) == (["Translate:\nhello there"], ["hello"])


def test_clips_beside_the_conversation_are_guarded_too() -> None:
    async def story(stage: Stage) -> None:
        beside(stage, clip())
        await stage.wire.until(DONE)

    stage = play(lambda: Stage("No.", heard="forbidden", blocked=("forbidden",), config=TOLD), story)
    assert (said(stage), response_of(stage)["conversation_id"]) == ("I must not.", None)


@pytest.mark.parametrize(("conduct", "status"), [(FAILING, "failed"), (SLOW, "cancelled")])
def test_a_response_beside_the_conversation_fails_and_is_cancelled_like_any_other(
    conduct: Conduct, status: str
) -> None:
    async def story(stage: Stage) -> None:
        beside(stage, clip())
        response_id = (await stage.wire.until("response.created"))["response"]["id"]
        await anyio.sleep(1.0)
        if status == "cancelled":
            stage.wire.say("response.cancel", response_id=response_id)
        await stage.wire.until(DONE)
        await anyio.sleep(10)

    stage = play(lambda: Stage("Fine.", heard=Heard("x", conduct=conduct), config=TOLD), story)
    check_trace(stage.wire.events())
    assert response_of(stage)["status"] == status


def test_an_item_with_a_clip_may_be_referred_to() -> None:
    async def story(stage: Stage) -> None:
        add(stage, clip())
        add(stage, typed("something else"), id="next")
        response(stage, conversation="none", input=[{"type": "item_reference", "id": "clip"}])
        await stage.wire.until(DONE)

    slow = Heard("the clip", conduct=Conduct(delay_s=1.0))
    stage = play(lambda: Stage(Said("Fine."), heard=slow, config=TOLD), story)
    check_trace(stage.wire.events())
    assert told(stage) == ["the clip"]


# --- among speech -----------------------------------------------------------------------------------------


def test_a_clip_that_nobody_asked_about_is_part_of_the_next_spoken_turn() -> None:
    async def story(stage: Stage) -> None:
        add(stage, clip())
        await speak(stage, 1.0)
        await stage.wire.until(DONE)

    recogniser = ScriptedRecogniser(Heard("the clip", conduct=SLOW), "the voice")
    stage = play(lambda: Stage("Both.", recogniser=recogniser, config=TOLD), story)
    check_trace(stage.wire.events())
    assert told(stage) == ["the clip", "the voice"]


def test_a_clip_and_a_turn_that_the_client_ends_are_answered_together() -> None:
    async def story(stage: Stage) -> None:
        await speak(stage, 0.5, 0.0)
        stage.wire.say("input_audio_buffer.commit")
        add(stage, clip())
        response(stage)
        await stage.wire.until(DONE)

    recogniser = ScriptedRecogniser("the voice", "the clip")
    stage = play(lambda: Stage("Both.", recogniser=recogniser, config=MANUAL), story)
    check_trace(stage.wire.events())
    assert told(stage) == ["the voice", "the clip"]


def test_turn_detection_goes_on_while_clips_are_read() -> None:
    config = SessionConfig(transcription=True, turn_detection=TurnDetection(create_response=False))

    async def story(stage: Stage) -> None:
        add(stage, clip())
        await speak(stage, 1.0)
        await stage.wire.until("input_audio_buffer.committed")
        await stage.wire.until(COMPLETED, 2)

    recogniser = ScriptedRecogniser(Heard("the clip", conduct=Conduct(delay_s=10.0)), "the voice")
    stage = play(lambda: Stage(recogniser=recogniser, config=config), story)
    check_trace(stage.wire.events())
    assert texts(stage, COMPLETED, "transcript") == ["the voice", "the clip"]
