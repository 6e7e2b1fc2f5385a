"""A server of several languages: what a session chooses, and what follows what was said where it does not."""

from collections.abc import Callable
from functools import partial

import pytest

from server.config.languages import PHRASES
from stages.errors import ProviderError
from stages.ports import SpeechHints
from stages.testing.fakes import Conduct, Heard, Said, ScriptedRecogniser
from tests.support.stage import Stage, play, speak

BOTH = partial(Stage, languages=("en", "es"), blocked=("bomba",))
BROKEN = Said("never", conduct=Conduct(fails=ProviderError))
SPANISH = Heard("Quiero una mesa para dos", "es")


def after_speaking(stage_of: Callable[[], Stage], chosen: str | None = None) -> Stage:
    async def story(stage: Stage) -> None:
        if chosen is not None:
            audio = {"input": {"transcription": {"language": chosen}}}
            stage.wire.say("session.update", session={"type": "realtime", "audio": audio})
            await stage.wire.until("session.updated")
        await speak(stage, 1.5)
        await stage.wire.until("response.done")

    return play(stage_of, story)


def said(stage: Stage) -> str:
    return " ".join(
        event["transcript"]
        for event in stage.wire.events()
        if event["type"] == "response.output_audio_transcript.done"
    )


def test_the_recogniser_is_told_what_the_session_chose() -> None:
    recogniser = ScriptedRecogniser("hello there")
    after_speaking(partial(BOTH, "All right.", recogniser=recogniser), "es-MX")
    assert recogniser.hints == [SpeechHints(language="es-MX")]


@pytest.mark.parametrize(
    ("heard", "chosen", "code"),
    [
        (SPANISH, None, "es"),
        (SPANISH, "en", "en"),
        ("a table for two", "es", "es"),
        ("a table for two", None, "en"),
    ],
)
def test_the_apology_is_in_the_language_of_the_session_or_of_what_was_said(
    heard: str | Heard, chosen: str | None, code: str
) -> None:
    stage = after_speaking(partial(BOTH, BROKEN, heard=heard), chosen)
    assert said(stage) == PHRASES[code].apology


@pytest.mark.parametrize(
    ("chosen", "refusal"),
    [(None, PHRASES["es"].refusal), ("es", PHRASES["es"].refusal), ("en", "I must not.")],
)
def test_so_is_the_refusal(chosen: str | None, refusal: str) -> None:
    stage = after_speaking(partial(BOTH, "Yes.", heard=Heard("Quiero una bomba", "es")), chosen)
    assert said(stage) == refusal
