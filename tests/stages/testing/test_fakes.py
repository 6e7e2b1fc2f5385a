"""The scripted providers do what the script says, in its order and at its pace."""

import time

import anyio
import numpy as np
import pytest

from audio.formats import Samples
from stageflow.context import Message
from stageflow.tools import ToolCall
from stages.errors import ProviderError, ProviderRejected, ProviderTimeout
from stages.ports import Finished, LanguageModel, ModelEvent, Partial, Speech, TextDelta, Usage
from stages.testing.fakes import (
    Conduct,
    EchoModel,
    Heard,
    Said,
    ScriptedModel,
    ScriptedRecogniser,
    ScriptedVoice,
)
from stages.testing.virtual_time import virtual
from tests.support.listener import speak_into


def ask(text: str) -> tuple[Message, ...]:
    return (Message(role="user", content=text),)


async def told(model: LanguageModel, text: str = "Hi.", max_tokens: int | None = None) -> list[ModelEvent]:
    return [event async for event in model.stream(ask(text), max_tokens=max_tokens)]


async def spoken(voice: ScriptedVoice, text: str, speed: float = 1.0) -> list[Speech]:
    return [speech async for speech in voice.stream(text, speed=speed)]


async def test_a_script_goes_round() -> None:
    recogniser = ScriptedRecogniser("One.", Heard("Two.", language="la"))
    heard = [await speak_into(recogniser.open()).final() for _ in range(3)]
    assert [transcript.text for transcript in heard] == ["One.", "Two.", "One."]
    assert heard[1].language == "la"


def test_partials_reveal_the_words_as_they_are_spoken() -> None:
    partials: list[Partial] = []
    recognition = ScriptedRecogniser("What time is it?", word_ms=100).open(partials.append)
    recognition.push(np.zeros(16_000, np.int16))
    assert partials == []
    for _ in range(5):
        speak_into(recognition, 0.1)
    assert partials == [
        Partial("What", ""),
        Partial("What time", "What"),
        Partial("What time is", "What time"),
        Partial("What time is it?", "What time is"),
    ]


async def test_a_model_tells_tokens_then_calls_then_how_it_ended() -> None:
    call = ToolCall("1", "clock")
    events = await told(ScriptedModel(Said("Let me see.", (call,))))
    assert events == [
        TextDelta("Let"),
        TextDelta(" me"),
        TextDelta(" see."),
        call,
        Finished("tool_calls", Usage(1, 3)),
    ]


async def test_a_model_keeps_to_its_tokens() -> None:
    events = await told(ScriptedModel("One two three."), max_tokens=2)
    assert events == [TextDelta("One"), TextDelta(" two"), Finished("length", Usage(1, 2))]


async def test_the_echo_repeats_what_was_said_last() -> None:
    events = await told(EchoModel("Aye: "), "up to you")
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Aye: up to you"
    nothing = [event async for event in EchoModel().stream(())]
    assert TextDelta(" nothing") in nothing


async def test_a_voice_sounds_a_tone_for_each_word() -> None:
    speeches = await spoken(ScriptedVoice(), "Hi there! \u2014")
    assert [len(speech.samples) * 1000 // 24_000 for speech in speeches] == [200, 480]
    assert [word.text for speech in speeches for word in speech.words] == ["Hi", "there!"]
    tone = speeches[0].samples.astype(np.int32)
    assert 4_000 < np.abs(tone).max() < 8_000
    assert tone[0] == 0
    assert not tone[-24 * 60 :].any()
    assert not speeches[0].samples.flags.writeable


async def test_its_voices_are_an_octave_apart_and_the_first_stands_in_for_strangers() -> None:
    low, high, stranger = [
        np.concatenate([speech.samples async for speech in ScriptedVoice().stream("hello", voice=name)])
        for name in ("low", "high", "marin")
    ]

    def crossings(samples: Samples) -> int:
        return int(np.count_nonzero(np.diff(np.signbit(samples))))

    assert crossings(high) == pytest.approx(2 * crossings(low), abs=2)
    np.testing.assert_array_equal(stranger, low)


async def test_speed_is_heard() -> None:
    [fast] = await spoken(ScriptedVoice(), "Hello", speed=2.0)
    [plain] = await spoken(ScriptedVoice(), "Hello")
    assert len(fast.samples) * 2 == len(plain.samples)


async def test_conduct_fails_after_so_many_results() -> None:
    voice = ScriptedVoice(Conduct(fails=ProviderRejected, after=2), Conduct())
    stream = voice.stream("one two three four")
    assert [len((await anext(stream)).samples) for _ in range(2)] == [6_480, 6_480]
    with pytest.raises(ProviderRejected, match="after 2 results"):
        await anext(stream)
    assert len(await spoken(voice, "one two three four")) == 4


@pytest.mark.parametrize("after", [0, 1, 2, 99])
async def test_no_script_is_too_short_to_fail(after: int) -> None:
    with pytest.raises(ProviderError):
        await told(ScriptedModel(Said("Hi.", conduct=Conduct(fails=ProviderTimeout, after=after))))


@pytest.mark.parametrize("after", [0, 1, 99])
@virtual
async def test_hanging_is_for_ever_but_can_be_cancelled(after: int) -> None:
    with anyio.move_on_after(0.02) as scope:
        await told(ScriptedModel(Said("Hi.", conduct=Conduct(hangs=True, after=after))))
    assert scope.cancelled_caught


@virtual
async def test_stubbornness_outlasts_cancellation() -> None:
    began = anyio.current_time()
    with anyio.move_on_after(0.01):
        await told(ScriptedModel(Said("Hi.", conduct=Conduct(hangs=True, stubborn_s=0.1))))
    assert anyio.current_time() - began == pytest.approx(0.11)


async def test_they_are_cheap() -> None:
    """A second of speech must cost so little that 75 of them a second leave the core to the server."""
    voice, text = ScriptedVoice(), "word " * 100
    began = time.process_time()
    speeches = await spoken(voice, text)
    spoken_s = sum(len(speech.samples) for speech in speeches) / 24_000
    assert (time.process_time() - began) / spoken_s < 0.001
