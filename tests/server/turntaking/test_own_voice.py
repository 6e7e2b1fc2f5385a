"""The agent's own voice in the microphone, with the embedded models: whole sessions in virtual time."""

import pytest

from tests.support.echo_room import Acoustics, Caller, Models, Room
from tests.support.stage import Stage, play

TALK = (
    "Hello. Thank you for calling. Let me tell you about our opening hours. From Monday to Friday we are open "
    "from nine to six, and on Saturday until one. Right. There are four doctors here, and two of them speak Spanish."
)


@pytest.fixture(scope="module")
def models() -> Models:
    return Models(took_s=0.06)


def interruptions(models: Models, acoustics: Acoustics, *, voice: bool) -> int:
    """How often the agent interrupts itself while it says all that."""
    cancelled = 0

    async def story(stage: Stage) -> None:
        nonlocal cancelled
        caller = Caller(stage, Room(acoustics))
        stage.wire.say("response.create")
        for _ in range(16 * 50):
            await caller.step()
            done = [event for event in caller.news if event["type"] == "response.done"]
            cancelled += sum(event["response"]["status"] == "cancelled" for event in done)

    play(lambda: models.stage(TALK, voice=voice), story)
    return cancelled


@pytest.mark.models
@pytest.mark.parametrize("acoustics", [Acoustics(20), Acoustics(30)], ids=["20 dB", "30 dB"])
def test_a_client_that_holds_the_voice_is_not_interrupted_by_its_echo(
    models: Models, acoustics: Acoustics
) -> None:
    assert interruptions(models, acoustics, voice=True) == 0


@pytest.mark.models
def test_a_stock_client_is_interrupted_once_at_most(models: Models) -> None:
    assert interruptions(models, Acoustics(20), voice=False) <= 1
