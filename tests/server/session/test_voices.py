"""The voices that a session may be spoken in: who is told of them, and what becomes of a choice."""

from functools import partial
from typing import Any

import pytest

from tests.support.stage import Stage, play, voice_v1

VoiceStage = partial(Stage, dialect=voice_v1)


async def one_answer(stage: Stage) -> None:
    stage.ask("talk")
    await stage.wire.until("response.done")


def choosing(name: str | None) -> Stage:
    """What a stage looks like whose client has chosen, and has been answered."""

    async def story(stage: Stage) -> None:
        session = {"type": "realtime", "audio": {"output": {"voice": name}}}
        stage.wire.say("session.update", session=session)
        await one_answer(stage)

    return play(lambda: VoiceStage("All right."), story)


def of_type(stage: Stage, type: str) -> list[dict[str, Any]]:
    return [event for event in stage.wire.events() if event["type"] == type]


def test_clients_of_voice_v1_are_told_which_there_are_right_after_the_beginning() -> None:
    stage = play(lambda: VoiceStage("All right."), one_answer)
    assert stage.wire.types()[:2] == ["session.created", "x_voices"]
    (offer,) = of_type(stage, "x_voices")
    assert offer["voices"] == [
        {"name": "low", "description": "tones"},
        {"name": "high", "description": "the same tones an octave higher"},
    ]


def test_others_are_not_told() -> None:
    assert not of_type(play(lambda: Stage("All right."), one_answer), "x_voices")


@pytest.mark.parametrize(
    ("chosen", "asked"), [("high", "high"), ("low", "low"), ("default", None), (None, None)]
)
def test_the_voice_that_was_chosen_speaks(chosen: str | None, asked: str | None) -> None:
    stage = choosing(chosen)
    assert {request.voice for request in stage.speaker.requests} == {asked}
    assert of_type(stage, "session.updated")[0]["session"]["audio"]["output"]["voice"] == (
        chosen or "default"
    )


@pytest.mark.parametrize("name", ["marin", "no such voice", "HIGH"])
def test_a_name_that_there_is_not_is_never_refused(name: str) -> None:
    stage = choosing(name)
    assert not of_type(stage, "error")
    assert of_type(stage, "response.done")[0]["response"]["status"] == "completed"
