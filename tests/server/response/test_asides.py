"""Responses at the client's word that are about something else than the conversation, or are none of its business."""

from typing import Any

import anyio
import pytest

from server.domain.deadlines import Deadlines
from server.response.requests import MAX_OUT_OF_BAND
from stageflow.tools import Tool
from stages.testing.fakes import Conduct, Said
from tests.support.stage import LONG, Stage, play, speak
from tests.support.trace_checker import check_trace

DONE = "response.done"


def typed(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}], **more}


def beside(stage: Stage, modality: str = "text", **response: Any) -> None:
    response = {"conversation": "none", "output_modalities": [modality], **response}
    stage.wire.say("response.create", response=response, event_id="c7")


def told(stage: Stage, request: int = -1) -> list[str]:
    return [m.content for m in stage.model.requests[request].messages if m.role != "system"]


@pytest.mark.parametrize("modality", ["text", "audio"])
def test_a_response_beside_the_conversation_leaves_no_trace_in_it(modality: str) -> None:
    async def story(stage: Stage) -> None:
        stage.ask("One.", "text")
        await stage.wire.until(DONE)
        beside(stage, modality, input=[typed("Is it a number?")], metadata={"topic": "kind"})
        done = (await stage.wire.until(DONE, 2))["response"]
        assert (done["metadata"], done["conversation_id"]) == ({"topic": "kind"}, None)
        assert (done["status"], len(done["output"])) == ("completed", 1)
        await anyio.sleep(5)
        stage.ask("Two.", "text")
        await stage.wire.until(DONE, 3)

    stage = play(lambda: Stage("Eins.", "Yes.", "Zwei."), story)
    check_trace(stage.wire.events())
    assert told(stage, 1) == ["Is it a number?"]
    assert told(stage, 2) == ["One.", "Eins.", "Two."]


def test_it_may_be_about_items_of_the_conversation_or_about_all_of_it() -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say("conversation.item.create", item=typed("First.", id="one"))
        stage.wire.say("conversation.item.create", item=typed("Second.", id="two"))
        beside(stage, input=[{"type": "item_reference", "id": "one"}])
        await stage.wire.until(DONE)
        beside(stage)
        await stage.wire.until(DONE, 2)
        beside(stage, input=[], instructions="Greet.")
        await stage.wire.until(DONE, 3)
        beside(stage, input=[{"type": "item_reference", "id": "gone"}])
        error = (await stage.wire.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("invalid_value", "c7")

    stage = play(lambda: Stage("Fine."), story)
    assert [told(stage, n) for n in range(3)] == [["First."], ["First.", "Second."], ["[silence]"]]


def test_input_may_stand_in_for_the_conversation_though_the_answer_joins_it() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("One.", "text")
        await stage.wire.until(DONE)
        stage.wire.say("response.create", response={"output_modalities": ["text"], "input": [typed("Else?")]})
        await stage.wire.until(DONE, 2)
        stage.ask("Two.", "text")
        await stage.wire.until(DONE, 3)

    stage = play(lambda: Stage("Eins.", "Else.", "Zwei."), story)
    check_trace(stage.wire.events())
    assert (told(stage, 1), told(stage, 2)) == (["Else?"], ["One.", "Eins.", "Else.", "Two."])


def test_an_aside_runs_beside_an_answer_and_a_barge_in_does_not_touch_it() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until("response.output_audio.delta")
        beside(stage, input=[typed("Sum it up.")])
        await stage.wire.until("response.created", 2)
        await speak(stage, 1.0)
        await stage.wire.until(DONE, 3)

    slow = Said("In short.", conduct=Conduct(delay_s=1.0))
    stage = play(lambda: Stage(LONG, slow, "Yes?"), story)
    check_trace(stage.wire.events())
    ends = [event["response"] for event in stage.wire.events() if event["type"] == DONE]
    ended = {end["conversation_id"] is None: end["status"] for end in ends[:2]}
    assert ended == {False: "cancelled", True: "completed"}


def test_a_second_voice_is_refused_with_the_reason_and_the_way_out() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until("response.output_audio.delta")
        active = (await stage.wire.until("response.created"))["response"]["id"]
        beside(stage, "audio", input=[typed("Hold on.")])
        error = (await stage.wire.until("error"))["error"]
        assert (error["param"], error["event_id"]) == ("response.conversation", "c7")
        assert error["code"] == "conversation_already_has_active_response", "which no stock client dies of"
        assert active in error["message"]
        assert "One in text need not wait" in error["message"]
        beside(stage, "text", input=[typed("Hold on.")])
        await stage.wire.until("response.created", 2)

    play(lambda: Stage(LONG), story)


def test_an_aside_is_cancelled_by_its_name_only() -> None:
    async def story(stage: Stage) -> None:
        beside(stage)
        response_id = (await stage.wire.until("response.created"))["response"]["id"]
        stage.wire.say("response.cancel", event_id="c8")
        assert (await stage.wire.until("error"))["error"]["code"] == "response_cancel_not_active"
        stage.wire.say("response.cancel", response_id=response_id)
        done = (await stage.wire.until(DONE))["response"]
        assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}

    hanging = Said("Never.", conduct=Conduct(hangs=True))
    check_trace(play(lambda: Stage(hanging), story).wire.events())


def test_an_aside_that_never_ends_fails_in_the_end() -> None:
    async def story(stage: Stage) -> None:
        beside(stage)
        assert (await stage.wire.until(DONE))["response"]["status"] == "failed"

    hanging = Said("Never.", conduct=Conduct(hangs=True))
    check_trace(play(lambda: Stage(hanging), story).wire.events())


def test_an_aside_that_is_cancelled_silences_nobody_else() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until("response.output_audio.delta")
        beside(stage)
        response_id = (await stage.wire.until("response.created", 2))["response"]["id"]
        stage.wire.say("response.cancel", response_id=response_id)
        await stage.wire.until(DONE, 2)

    hanging = Said("Never.", conduct=Conduct(hangs=True))
    stage = play(lambda: Stage("One two three four five.", hanging), story)
    check_trace(stage.wire.events())
    ends = [event["response"] for event in stage.wire.events() if event["type"] == DONE]
    assert [(end["status"], end["conversation_id"] is None) for end in ends] == [
        ("cancelled", True),
        ("completed", False),
    ]


def test_what_is_thought_beside_the_conversation_changes_nothing_in_the_world() -> None:
    async def book() -> str:
        """Book a table."""
        return "booked"

    async def story(stage: Stage) -> None:
        beside(stage, tools=[{"type": "function", "name": "judge"}])
        await stage.wire.until(DONE)
        stage.ask("hello", "text")
        await stage.wire.until(DONE, 2)

    stage = play(lambda: Stage("Fine.", tools=(Tool.of(book),)), story)
    offered = [[tool.name for tool in request.tools] for request in stage.model.requests]
    assert offered == [["judge"], ["book"]]


def test_only_a_few_asides_run_at_once() -> None:
    async def story(stage: Stage) -> None:
        for _ in range(MAX_OUT_OF_BAND + 1):
            beside(stage)
        error = (await stage.wire.until("error"))["error"]
        assert (error["type"], error["code"]) == ("rate_limit_error", "too_many_responses")
        assert error["event_id"] == "c7"
        await stage.wire.until(DONE, MAX_OUT_OF_BAND)
        beside(stage)
        await stage.wire.until(DONE, MAX_OUT_OF_BAND + 1)

    stage = play(lambda: Stage(Said("Fine.", conduct=Conduct(delay_s=1.0))), story)
    check_trace(stage.wire.events())


def test_one_ends_by_its_deadline_and_says_so() -> None:
    async def story(stage: Stage) -> None:
        beside(stage)
        done = (await stage.wire.until(DONE))["response"]
        assert (done["status"], done["status_details"]["error"]["code"]) == ("failed", "server_error")
        assert anyio.current_time() == pytest.approx(4.0, abs=0.1)

    hangs = Said("Fine.", conduct=Conduct(hangs=True))
    play(lambda: Stage(hangs, deadlines=Deadlines(out_of_band_s=4.0)), story)


def test_asides_end_with_the_session() -> None:
    async def story(stage: Stage) -> None:
        beside(stage)
        await stage.wire.until("response.created")

    stage = play(lambda: Stage(Said("Never.", conduct=Conduct(hangs=True))), story)
    check_trace(stage.wire.events(), ended=False)
    assert stage.wire.closed == (1000, "")


# --- silence at the client's word -------------------------------------------------------------------------


def test_clearing_the_output_silences_an_answer_that_was_told_to_its_end() -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say("output_audio_buffer.clear")  # nothing is being said, which is no mistake
        stage.ask("hello")
        done = await stage.wire.until(DONE)
        stage.wire.say("output_audio_buffer.clear")
        cleared = await stage.wire.until("output_audio_buffer.cleared")
        assert cleared["response_id"] == done["response"]["id"]
        stage.ask("again", "text")
        await stage.wire.until(DONE, 2)

    stage = play(lambda: Stage("One two three four five six seven.", "Fine."), story)
    check_trace(stage.wire.events())
    assert "error" not in stage.wire.types()
    assert told(stage)[1].endswith("[interrupted by the user]")


def test_clearing_the_output_cancels_the_answer_that_is_being_spoken() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until("response.output_audio.delta")
        stage.wire.say("output_audio_buffer.clear")
        await stage.wire.until("output_audio_buffer.cleared")
        await anyio.sleep(5)

    stage = play(lambda: Stage(LONG), story)
    check_trace(stage.wire.events())
    types = stage.wire.types()
    assert types[-1] == "output_audio_buffer.cleared"
    done = next(event["response"] for event in stage.wire.events() if event["type"] == DONE)
    assert done["status_details"]["reason"] == "client_cancelled"


# --- what was heard, as the client knows it ---------------------------------------------------------------


@pytest.mark.parametrize("before", [True, False])
def test_the_clients_word_on_what_was_heard_stands_before_and_after_the_end(before: bool) -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        item_id = (await stage.wire.until("response.output_audio.delta"))["item_id"]
        await anyio.sleep(3.0)
        if not before:
            stage.wire.say("response.cancel")
        stage.wire.say("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=700)
        if before:
            stage.wire.say("response.cancel")
        await stage.wire.until("conversation.item.truncated")
        await stage.wire.until(DONE)
        stage.wire.say("conversation.item.retrieve", item_id=item_id)
        item = (await stage.wire.until("conversation.item.retrieved"))["item"]
        heard = item["content"][0]["transcript"]
        assert 0 < len(heard) < len("One two three four five")
        stage.ask("go on", "text")
        await stage.wire.until(DONE, 2)
        assert told(stage)[1] == heard + " [interrupted by the user]"

    check_trace(play(lambda: Stage(LONG, "Fine."), story).wire.events())


def test_a_spoken_item_of_the_persons_can_be_looked_up() -> None:
    async def story(stage: Stage) -> None:
        await speak(stage, 1.0)
        item_id = (await stage.wire.until("input_audio_buffer.committed"))["item_id"]
        await stage.wire.until(DONE)
        stage.wire.say("conversation.item.retrieve", item_id=item_id)
        item = (await stage.wire.until("conversation.item.retrieved"))["item"]
        assert item["content"] == [{"type": "input_audio", "transcript": "hello there"}]

    check_trace(play(lambda: Stage("Hello."), story).wire.events())
