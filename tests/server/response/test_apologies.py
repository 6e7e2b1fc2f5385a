"""An answer that fails midway: what was said of it stays as it was said, and the apology is a message of its own."""

from functools import partial
from typing import Any

import anyio
import pytest

from stages.errors import ProviderError
from stages.testing.fakes import Conduct, Said
from tests.support.stage import AUDIO, Microphone, QueueWire, Stage, play, realtime, voice_v1
from tests.support.trace_checker import check_trace

VoiceStage = partial(Stage, dialect=voice_v1)
WRITTEN = "One two three. And then four five"
SPOKEN = "One two three."
APOLOGY = "Sorry, something went wrong on my side. Please say that again."
FAILS = Said(text=WRITTEN, conduct=Conduct(gap_s=0.01, fails=ProviderError, after=7))


async def ask_twice(stage: Stage, modality: str = "audio") -> None:
    stage.ask("hello", modality)
    await stage.wire.until("response.done")
    await anyio.sleep(10)
    stage.ask("again", modality)
    await stage.wire.until("response.done", 2)


def output(wire: QueueWire) -> list[tuple[str, str]]:
    """Of the first response's messages: status and text."""
    done = next(event["response"] for event in wire.events() if event["type"] == "response.done")
    assert done["status"] == "failed"
    parts = [(item["status"], item["content"][0]) for item in done["output"]]
    return [(status, part.get("transcript") or part["text"]) for status, part in parts]


def ids(wire: QueueWire) -> list[str]:
    return [event["item"]["id"] for event in wire.events() if event["type"] == "response.output_item.added"]


def words(wire: QueueWire, item_id: str) -> str:
    told = [event for event in wire.events() if event["type"] == "x_words" and event["item_id"] == item_id]
    return "".join(word["text"] for event in told for word in event["words"])


def told_the_model(stage: Stage) -> list[str]:
    return [message.content for message in stage.model.requests[-1].messages if message.role == "assistant"]


def audio_after(wire: QueueWire, item_id: str) -> list[tuple[float, dict[str, Any]]]:
    """The audio frames from the announcement of an item to that of the next."""
    found: list[tuple[float, dict[str, Any]]] = []
    item = ""
    for at, event in wire.seen:
        if event["type"] == "response.output_item.added":
            item = event["item"]["id"]
        elif event["type"] == AUDIO and item == item_id:
            found.append((at, event))
    return found


@pytest.mark.parametrize("dialect", [realtime, voice_v1])
def test_the_apology_is_a_message_of_its_own(dialect: Any) -> None:
    stage = play(lambda: Stage(FAILS, "Better.", dialect=dialect), ask_twice)
    assert output(stage.wire) == [("incomplete", SPOKEN), ("incomplete", APOLOGY)]
    indices = [
        event["output_index"]
        for event in stage.wire.events()
        if event["type"] == "response.content_part.done"
    ]
    assert indices == [0, 1, 0]
    if dialect is realtime:
        check_trace(stage.wire.events())


def test_the_model_is_told_what_was_spoken_and_the_client_where() -> None:
    stage = play(lambda: VoiceStage(FAILS, "Better."), ask_twice)
    broken_off, apology, _ = ids(stage.wire)
    assert (words(stage.wire, broken_off), words(stage.wire, apology)) == (SPOKEN, APOLOGY)
    assert told_the_model(stage) == [SPOKEN, APOLOGY]


def test_the_apology_begins_when_what_was_said_before_it_has_been_heard() -> None:
    stage = play(lambda: VoiceStage(FAILS, "Better."), ask_twice)
    before, after = (audio_after(stage.wire, item_id) for item_id in ids(stage.wire)[:2])
    for frames in (before, after):
        sent = 0
        for _, frame in frames:
            assert frame["offset_samples"] == sent, "offsets count the item's own audio"
            sent += len(frame["data"]) // 2
    (began_at, _), (last_at, last) = before[0], before[-1]
    heard_at = began_at + (last["offset_samples"] + len(last["data"]) // 2) / 24_000
    assert last_at < heard_at <= after[0][0] < heard_at + 0.1


def test_who_interrupts_the_apology_has_heard_what_was_before_it() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hello")
        await stage.wire.until("response.output_item.added", 2)
        await stage.wire.until(AUDIO, stage.wire.types().count(AUDIO) + 1)
        await anyio.sleep(1.0)
        await Microphone(stage.wire).speak(1.2)
        await stage.wire.until("response.done", 2)

    stage = play(lambda: VoiceStage(FAILS, "Better."), story)
    said, apology = told_the_model(stage)
    assert said == SPOKEN
    assert apology.startswith("Sorry,")
    assert apology.endswith(" [interrupted by the user]")


def test_who_interrupts_before_the_apology_is_spared_it() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hello")
        await stage.wire.until(AUDIO)
        await anyio.sleep(0.3)
        stage.wire.say("response.cancel")
        await stage.wire.until("response.done")
        stage.ask("again")
        await stage.wire.until("response.done", 2)

    stage = play(lambda: VoiceStage(FAILS, "Better."), story)
    assert len(ids(stage.wire)) == 2
    assert told_the_model(stage) == ["One [interrupted by the user]"]


def test_of_an_answer_in_writing_all_was_read() -> None:
    stage = play(lambda: Stage(FAILS, "Better."), partial(ask_twice, modality="text"))
    assert output(stage.wire) == [("incomplete", WRITTEN), ("incomplete", APOLOGY)]
    assert told_the_model(stage) == [WRITTEN, APOLOGY]
    check_trace(stage.wire.events())


def test_a_voice_that_fails_midway_is_believed_as_far_as_it_came() -> None:
    voice = Conduct(gap_s=0.1, fails=ProviderError, after=2)
    stage = play(lambda: VoiceStage(SPOKEN, "Better.", voice=voice), ask_twice)
    assert [words(stage.wire, item_id) for item_id in ids(stage.wire)[:2]] == ["One two", "Sorry, something"]
    assert told_the_model(stage) == ["One two", "Sorry, something"]
