"""The words of an answer and where they lie, told to clients of voice.v1 ahead of the audio that brings them."""

from dataclasses import replace
from functools import partial
from typing import Any

import anyio
import pytest

from audio.formats import AudioFormat, Encoding
from server.domain.values import SessionConfig
from stages.testing.fakes import Conduct, Said
from tests.support.stage import AUDIO, LONG, Microphone, SlowGuard, Stage, play, realtime, voice_v1

VoiceStage = partial(Stage, dialect=voice_v1)
TEXT = "Well, 50% of it is **here**. \U0001f389 And that is all of it \u2014 as far as I know! \U0001f389"


def told(stage: Stage) -> list[dict[str, Any]]:
    return [word for event in stage.wire.events() if event["type"] == "x_words" for word in event["words"]]


async def whole_answer(stage: Stage) -> None:
    stage.ask("talk")
    await stage.wire.until("response.done")


def test_the_words_joined_are_the_transcript_and_each_comes_before_the_audio_that_it_ends_in() -> None:
    stage = play(lambda: VoiceStage(TEXT), whole_answer)
    words = told(stage)
    assert "".join(word["text"] for word in words) == TEXT
    assert [word["text"] for word in words][:3] == ["Well,", " 50%", " of"]
    known = 0
    for event in stage.wire.events():
        if event["type"] == "x_words":
            known += len(event["words"])
        elif event["type"] == AUDIO:
            sent = event["offset_samples"] + len(event["data"]) // 2
            heard = sum(word["start_sample"] < word["end_sample"] <= sent for word in words)
            assert heard <= known  # what has no sound at the very end comes last
        elif event["type"] == "response.output_audio.done":
            assert known == len(words)
    (item,) = (event for event in stage.wire.events() if event["type"] == "response.output_item.added")
    assert {event["item_id"] for event in stage.wire.events() if event["type"] == "x_words"} == {
        item["item"]["id"]
    }


def test_places_are_in_samples_of_the_clients_format() -> None:
    config = replace(SessionConfig(), output_format=AudioFormat(Encoding.PCMU, 8_000))
    words = told(play(lambda: VoiceStage("One two three.", config=config), whole_answer))
    ends_ms = [word["end_sample"] / 8 for word in words]
    assert ends_ms == [270, 540, 1020]  # 70 ms a letter and 60 ms a word


def test_clients_of_the_standard_protocol_are_not_told() -> None:
    assert not told(play(lambda: Stage(TEXT, dialect=realtime), whole_answer))


def test_nothing_of_it_follows_a_flush() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until(AUDIO, 5)
        await Microphone(stage.wire).speak(1.2)
        await stage.wire.until("x_metrics", 2)
        await anyio.sleep(6.0)

    stage = play(lambda: VoiceStage(LONG, "Yes?", voice=Conduct(gap_s=0.05, stubborn_s=5.0)), story)
    types = stage.wire.types()
    flushed = types.index("x_flush")
    items = [
        event["item"]["id"] for event in stage.wire.events() if event["type"] == "response.output_item.added"
    ]
    assert len(items) == 2
    of_words = [
        (at, event["item_id"]) for at, event in enumerate(stage.wire.events()) if event["type"] == "x_words"
    ]
    assert {item for at, item in of_words if at < flushed} == {items[0]}
    assert {item for at, item in of_words if at > flushed} == {items[1]}


def test_words_wait_with_the_audio_that_is_paced() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until(AUDIO)
        await anyio.sleep(1.0)
        stage.wire.say("response.cancel")
        await stage.wire.until("response.done")

    stage = play(lambda: VoiceStage(LONG), story)
    sent = sum(len(event["data"]) // 2 for event in stage.wire.events() if event["type"] == AUDIO)
    assert sent < told(stage)[-1]["end_sample"] < sent + 24_000
    assert len(stage.model.requests) == 1


@pytest.mark.parametrize("blocks", [True, False])
def test_words_are_gated_as_the_audio_is(blocks: bool) -> None:
    stage = play(lambda: VoiceStage("I know a secret.", guard=SlowGuard(blocks=blocks)), speak_and_wait)
    text = "".join(word["text"] for word in told(stage))
    assert text == ("I must not." if blocks else "I know a secret.")
    passed_at = next(at for at, event in stage.wire.seen if event["type"] == "response.created")
    assert min(at for at, event in stage.wire.seen if event["type"] == "x_words") >= passed_at


async def speak_and_wait(stage: Stage) -> None:
    await Microphone(stage.wire).speak(1.0)
    await stage.wire.until("response.done")


def test_what_was_cut_is_what_the_words_that_were_played_say() -> None:
    played = 40_000

    async def story(stage: Stage) -> None:
        stage.ask("talk")
        item = (await stage.wire.until("response.output_item.added"))["item"]["id"]
        await stage.wire.until(AUDIO)
        await anyio.sleep(1.8)
        stage.wire.say("response.cancel")
        await stage.wire.until("x_flush")
        stage.wire.say("x_playback", item_id=item, played_samples=played)
        await stage.wire.until("response.done")
        stage.wire.say("conversation.item.retrieve", item_id=item)
        await stage.wire.until("conversation.item.retrieved")

    stage = play(lambda: VoiceStage(Said(text=LONG)), story)
    kept = next(event for event in stage.wire.events() if event["type"] == "conversation.item.retrieved")
    heard = "".join(word["text"] for word in told(stage) if word["end_sample"] <= played)
    assert kept["item"]["content"] == [{"type": "output_audio", "transcript": heard}]
    assert heard
