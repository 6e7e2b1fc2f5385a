"""A recogniser of another rate hears the same audio, and tells of it on the session's clock."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from audio.formats import SPEECH_HZ, Samples
from stages.ports import (
    RecogniserCapabilities,
    SpeechHints,
    Transcript,
    TurnBegan,
    TurnEvent,
    TurnHeard,
    TurnOver,
    TurnStream,
)
from stages.providers.cut_turns import as_recogniser
from stages.providers.resampled import at_rate
from stages.testing.contracts import check_recogniser
from stages.testing.fakes import ScriptedRecogniser
from stages.testing.virtual_time import virtual

SECOND = np.full(SPEECH_HZ, 1000, np.int16)


class Turns8k:
    """One turn, which it tells the places of by what it has been given."""

    interface = 1
    rate_hz = 8_000
    capabilities = RecogniserCapabilities(turns="theirs")

    def __init__(self) -> None:
        self.samples = 0

    def open_turns(
        self, on_event: Callable[[TurnEvent], None], *, hints: SpeechHints = SpeechHints()
    ) -> TurnStream:
        owner = self

        class Stream:
            def push(self, samples: Samples) -> None:
                if not owner.samples:
                    on_event(TurnBegan(0))
                owner.samples += len(samples)

            def end_turn(self) -> None:
                on_event(TurnHeard("Hi."))
                on_event(TurnOver(Transcript("Hi."), owner.samples))

            def close(self) -> None:
                pass

        return Stream()


def test_one_of_the_right_rate_is_left_alone() -> None:
    recogniser = ScriptedRecogniser()
    assert at_rate(recogniser, SPEECH_HZ) is recogniser


@virtual
async def test_it_keeps_the_contract_of_a_recogniser() -> None:
    recogniser = at_rate(ScriptedRecogniser("Hello.", rate_hz=8_000), SPEECH_HZ)
    assert recogniser.rate_hz == SPEECH_HZ
    speech = np.random.default_rng(1).integers(-3000, 3000, 3 * SPEECH_HZ).astype(np.int16)
    await check_recogniser(recogniser, speech, "Hello.")


def test_turns_are_told_on_the_session_s_clock() -> None:
    events: list[Any] = []
    theirs = Turns8k()
    recogniser: Any = at_rate(as_recogniser(theirs), SPEECH_HZ)
    stream = recogniser.turns.open_turns(events.append)
    for frame in np.split(SECOND, 50):
        stream.push(frame)
    stream.end_turn()
    stream.close()
    assert theirs.samples == pytest.approx(8_000, abs=100)
    began, heard, over = events
    assert (began, heard) == (TurnBegan(0), TurnHeard("Hi."))
    assert over.at_sample == 2 * theirs.samples
