"""The words that client and operator expect reach the recogniser, whoever finds the ends of turns."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stages.errors import ErrorKind, ProviderError
from stages.ports import MAX_PHRASES, SpeechHints, TurnBegan, TurnEvent, TurnsFailed, TurnStream
from stages.testing.fakes import ScriptedRecogniser
from stages.testing.turn_fakes import At, ScriptedTurns
from tests.support.stage import Microphone, Stage, play, speak, voice_v1


def expecting(stage: Stage, **transcription: Any) -> None:
    audio = {"input": {"transcription": transcription}}
    stage.wire.say("session.update", session={"type": "realtime", "audio": audio})


@pytest.mark.parametrize(
    ("hints", "of_server", "told"),
    [
        ({"keywords": ["DAHDI", "Anna  Kowalski"]}, (), ("DAHDI", "Anna Kowalski")),
        ({"prompt": "DAHDI, Anna Kowalski."}, (), ("DAHDI", "Anna Kowalski")),
        ({"keywords": ["DAHDI"]}, ("Tegel", "DAHDI"), ("DAHDI", "Tegel")),
        ({}, ("Tegel",), ("Tegel",)),
    ],
)
def test_the_words_of_the_client_come_before_those_of_the_server(
    hints: dict[str, Any], of_server: tuple[str, ...], told: tuple[str, ...]
) -> None:
    recogniser = ScriptedRecogniser("hello there")

    async def story(stage: Stage) -> None:
        expecting(stage, **hints)
        await stage.wire.until("session.updated")
        await speak(stage, 1.0)
        await stage.wire.until("response.done")

    play(lambda: Stage("Hello.", recogniser=recogniser, phrases=of_server), story)
    assert [hints.phrases for hints in recogniser.hints] == [told]


def test_no_more_are_told_than_a_recogniser_must_bear() -> None:
    recogniser = ScriptedRecogniser("hello there")

    async def story(stage: Stage) -> None:
        await speak(stage, 1.0)
        await stage.wire.until("response.done")

    of_server = tuple(f"word {number}" for number in range(MAX_PHRASES + 5))
    play(lambda: Stage("Hello.", recogniser=recogniser, phrases=of_server), story)
    assert recogniser.hints[0].phrases == of_server[:MAX_PHRASES]


class HintedTurns(ScriptedTurns):
    """Notes what it is told of each stream."""

    def __init__(self, *script: At) -> None:
        super().__init__(*script)
        self.hints: list[SpeechHints] = []

    def open_turns(
        self, on_event: Callable[[TurnEvent], None], *, hints: SpeechHints = SpeechHints()
    ) -> TurnStream:
        self.hints.append(hints)
        return super().open_turns(on_event, hints=hints)


class TheirEnds(ScriptedRecogniser):
    """A recogniser that finds the ends of turns."""

    def __init__(self, turns: ScriptedTurns) -> None:
        super().__init__("hello")
        self.turns = turns


def test_a_recogniser_of_turns_is_told_when_its_stream_begins_and_when_the_words_change() -> None:
    turns = HintedTurns()

    async def story(stage: Stage) -> None:
        updates: list[dict[str, Any]] = [{"language": "en", "keywords": ["DAHDI"]}, {}, {"keywords": ["Zap"]}]
        for times, hints in enumerate(updates, 1):
            expecting(stage, **hints)
            await stage.wire.until("session.updated", times)
            await Microphone(stage.wire).send(np.zeros(2400, np.int16))

    play(lambda: Stage(recogniser=TheirEnds(turns), phrases=("Tegel",), dialect=voice_v1), story)
    assert turns.hints == [
        SpeechHints(phrases=("Tegel",)),
        SpeechHints("en", ("DAHDI", "Tegel")),
        SpeechHints("en", ("Zap", "Tegel")),
    ]


class BegunOnce(ScriptedTurns):
    """Says in its first stream that somebody has begun to speak, and nothing more."""

    def open_turns(
        self, on_event: Callable[[TurnEvent], None], *, hints: SpeechHints = SpeechHints()
    ) -> TurnStream:
        stream = super().open_turns(on_event, hints=hints)
        self._script = ()
        return stream


def test_no_turn_runs_in_the_stream_that_is_told_other_words() -> None:
    recogniser = TheirEnds(BegunOnce(At(0.1, TurnBegan(1600))))

    async def story(stage: Stage) -> None:
        await speak(stage, 0.0, 0.2)
        expecting(stage, keywords=["Zap"])
        await speak(stage, 0.6, 5.0)

    stage = play(lambda: Stage(recogniser=recogniser), story)
    told = {event["type"]: at for at, event in stage.wire.seen}
    over, known = (
        "input_audio_buffer.speech_stopped",
        "conversation.item.input_audio_transcription.completed",
    )
    assert told[known] == told[over], "no last words of that turn are waited for"


def test_new_words_open_no_stream_of_a_service_that_has_just_failed() -> None:
    turns = HintedTurns(At(0.05, TurnsFailed(ProviderError("gone", kind=ErrorKind.SERVER))))

    async def story(stage: Stage) -> None:
        microphone = Microphone(stage.wire)
        await microphone.send(np.zeros(2400, np.int16))
        expecting(stage, keywords=["DAHDI"])
        await stage.wire.until("session.updated")
        await microphone.send(np.zeros(2400, np.int16))

    play(lambda: Stage(recogniser=TheirEnds(turns), dialect=voice_v1), story)
    assert len(turns.hints) == 1
