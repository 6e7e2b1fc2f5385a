"""An utterance on its way to text has one deadline, whoever asks for its words and however often."""

from typing import Any

import anyio
import numpy as np
import pytest

from server.conversation.recognition import Outcome
from server.conversation.utterance import Utterance, WordNews, WordsSettled
from stages.errors import ProviderError, ProviderTimeout
from stages.ports import Recognition, Transcript
from stages.providers.calls import label, provider_figures
from stages.testing.fakes import Conduct, Heard, ScriptedRecogniser
from stages.testing.virtual_time import virtual
from tests.support.stage import Stage, play, speak, speech

HANGS = Heard("hello there", conduct=Conduct(hangs=True))


class Settled:
    """Keeps what comes of utterances."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        self._outcomes = outcomes

    def hear_words(self, utterance: Utterance, news: WordNews) -> None:
        if isinstance(news, WordsSettled):
            self._outcomes.append(news.outcome)


def utterance_of(heard: Heard, settled: list[Outcome], patience_s: float = 10.0) -> Utterance:
    utterance = Utterance(
        "item_1",
        ScriptedRecogniser(heard),
        Settled(settled),
        patience_s=patience_s,
    )
    utterance.push(np.full(16_000, 1_000, np.int16))
    return utterance


@virtual
async def test_one_that_never_returns_settles_as_failed() -> None:
    settled: list[Outcome] = []
    utterance = utterance_of(HANGS, settled)
    utterance.end()
    with pytest.raises(ProviderTimeout, match="10 s"):
        await utterance.final()
    assert anyio.current_time() == pytest.approx(10.0)
    assert [type(outcome) for outcome in settled] == [ProviderTimeout]
    assert (await utterance.final()).text == ""  # and nobody waits for it again


class Breaking(ScriptedRecogniser):
    """Raises what no recogniser may."""

    def open(self, *given: Any, **more: Any) -> Recognition:
        recognition = super().open(*given, **more)
        recognition.final = self._breaks  # type: ignore[method-assign]
        return recognition

    async def _breaks(self) -> Transcript:
        raise KeyError("text")


@virtual
async def test_whatever_a_recogniser_raises_is_counted_as_its_failure() -> None:
    recogniser, settled = Breaking(Heard("hello")), list[Outcome]()
    label(recogniser, "stt", "breaking")
    utterance = Utterance("item_1", recogniser, Settled(settled))
    utterance.end()
    with pytest.raises(ProviderError, match="KeyError"):
        await utterance.final()
    assert [call.error for call in utterance.reading.calls] == ["other"]
    assert provider_figures()["stt", "breaking"].errors == {"other": 1}


@virtual
async def test_the_time_runs_from_the_first_who_asks() -> None:
    utterance = utterance_of(HANGS, [])
    utterance.end()
    with anyio.move_on_after(8.0):
        await utterance.final()
    with pytest.raises(ProviderTimeout):
        await utterance.final()
    assert anyio.current_time() == pytest.approx(10.0)


@virtual
async def test_an_utterance_that_goes_on_gets_new_time() -> None:
    settled: list[Outcome] = []
    utterance = utterance_of(Heard("hello", conduct=Conduct(delay_s=6.0)), settled)
    utterance.pause()
    with anyio.move_on_after(5.0):
        await utterance.final()
    utterance.resume()
    utterance.end()
    assert (await utterance.final()).text == "hello"
    assert settled == [Transcript("hello")]


def test_a_session_goes_on_when_a_recognition_never_returns() -> None:
    recogniser = ScriptedRecogniser(HANGS, "hello there")

    async def story(stage: Stage) -> None:
        await speak(stage, 1.0)
        await stage.wire.until("response.done")
        await anyio.sleep(6)
        await speak(stage, 1.0)
        await stage.wire.until("response.done", 2)

    stage = play(lambda: Stage("Fine.", recogniser=recogniser), story)
    done = [event["response"] for event in stage.wire.events() if event["type"] == "response.done"]
    assert [response["status"] for response in done] == ["failed", "completed"]
    said = [response["output"][0]["content"][0]["transcript"] for response in done]
    assert said[0].startswith("Sorry,")
    assert said[1] == "Fine."


def test_a_fixed_text_waits_for_nothing_that_was_said() -> None:
    times: list[float] = []

    async def story(stage: Stage) -> None:
        for audio in speech(1.0):
            stage.wire.say("input_audio_buffer.append", audio=audio)
        stage.wire.say("input_audio_buffer.commit")
        await stage.wire.until("input_audio_buffer.committed")
        stage.wire.say("response.cancel")
        await anyio.sleep(0.5)
        times.append(anyio.current_time())
        stage.session.remind(0.0, "Your tea is ready.")
        await stage.wire.until("response.output_audio.delta")
        times.append(anyio.current_time())

    play(lambda: Stage("Fine.", heard=HANGS), story)
    assert times[1] - times[0] < 0.2
