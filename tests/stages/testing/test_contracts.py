"""The contract of the providers, held by the fakes; and fakes that break it, to see that it can be broken."""

from collections.abc import AsyncGenerator, Callable, Sequence

import numpy as np
import pytest

from audio.formats import Samples
from stageflow.context import Message
from stageflow.tools import Tool
from stages.errors import ProviderBusy, ProviderRejected
from stages.ports import (
    Finished,
    ModelEvent,
    Partial,
    Recognition,
    Speech,
    SpeechHints,
    SynthesiserCapabilities,
    TextDelta,
    ToolChoice,
    Transcript,
    VoiceOption,
    WordTime,
)
from stages.testing.contracts import check_language_model, check_recogniser, check_synthesiser
from stages.testing.fakes import (
    Conduct,
    EchoModel,
    Heard,
    Said,
    ScriptedModel,
    ScriptedRecogniser,
    ScriptedVoice,
)

SLOW = Conduct(delay_s=0.02, gap_s=0.001)
STUBBORN = Conduct(delay_s=0.03, stubborn_s=0.1)
TEXT = "What time is it in Reykjavik?"


def noise(seconds: float = 1.5) -> Samples:
    return np.random.default_rng(1).integers(-3000, 3000, int(16_000 * seconds)).astype(np.int16)


@pytest.mark.parametrize("conduct", [Conduct(), SLOW])
async def test_the_scripted_recogniser(conduct: Conduct) -> None:
    await check_recogniser(ScriptedRecogniser(Heard(TEXT, conduct=conduct)), noise(), TEXT)


@pytest.mark.parametrize("conduct", [Conduct(), SLOW])
async def test_the_scripted_model(conduct: Conduct) -> None:
    await check_language_model(ScriptedModel(Said("I can book you a table.", conduct=conduct)))


async def test_the_echo() -> None:
    await check_language_model(EchoModel(conduct=SLOW))


@pytest.mark.parametrize("conduct", [Conduct(), SLOW])
async def test_the_scripted_voice(conduct: Conduct) -> None:
    await check_synthesiser(ScriptedVoice(conduct))


# --- the contract can be broken ----------------------------------------------------------------------------


async def test_a_recogniser_that_goes_on_after_cancellation_breaks_it() -> None:
    with pytest.raises(
        AssertionError, match=r"final\(\) went on after it was cancelled, for 1\d\d ms at best"
    ):
        await check_recogniser(ScriptedRecogniser(Heard(TEXT, conduct=STUBBORN)), noise(), TEXT)


async def test_a_model_that_goes_on_after_cancellation_breaks_it() -> None:
    with pytest.raises(AssertionError, match="went on after"):
        await check_language_model(ScriptedModel(Said("Well.", conduct=STUBBORN)))


async def test_a_voice_that_goes_on_after_cancellation_breaks_it() -> None:
    with pytest.raises(AssertionError, match="went on after"):
        await check_synthesiser(ScriptedVoice(STUBBORN))


async def test_a_provider_that_fails_breaks_it() -> None:
    with pytest.raises(ProviderBusy):
        await check_synthesiser(ScriptedVoice(Conduct(fails=ProviderBusy, after=3)))


async def test_wrong_words_break_it() -> None:
    with pytest.raises(AssertionError, match="word error rate"):
        await check_recogniser(ScriptedRecogniser("What crime is it?"), noise(), TEXT)


class Recording:
    """A recogniser of one text, with the partials it is given, and a way to go on after `close`."""

    def __init__(self, partials: Sequence[Partial], *, hears_silence: bool = False) -> None:
        self.rate_hz = 16_000
        self.partials = partials
        self.hears_silence = hears_silence

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> Recognition:
        return RecordingRecognition(self, on_partial)


class RecordingRecognition:
    def __init__(self, owner: Recording, on_partial: Callable[[Partial], None] | None) -> None:
        self.owner = owner
        self.on_partial = on_partial
        self.is_voiced = owner.hears_silence
        self.told = 0

    def push(self, samples: Samples) -> None:
        self.is_voiced = self.is_voiced or bool(samples.any())
        if self.on_partial is not None and self.told < len(self.owner.partials):
            self.on_partial(self.owner.partials[self.told])
            self.told += 1

    async def final(self) -> Transcript:
        return Transcript(TEXT if self.is_voiced else "")

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("partials", "complaint"),
    [
        ([Partial("What time", "time")], "does not start with its stable part"),
        ([Partial("What time", "What time"), Partial("What", "What")], "was changed"),
        ([Partial("That", "That")], "is not in"),
    ],
)
async def test_partials_that_take_words_back_break_it(partials: list[Partial], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        await check_recogniser(Recording(partials), noise(), TEXT)


async def test_words_in_silence_break_it() -> None:
    with pytest.raises(AssertionError, match="silence were heard as"):
        await check_recogniser(Recording([], hears_silence=True), noise(), TEXT)


class Telling:
    """A model that gives the events it is made of, whatever it is asked."""

    def __init__(self, *events: ModelEvent) -> None:
        self.events = events

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        for event in self.events:
            yield event


@pytest.mark.parametrize(
    ("events", "complaint"),
    [
        ([TextDelta("Hi.")], "not once at the end"),
        ([TextDelta("Hi."), Finished(), Finished()], "not once at the end"),
        ([Finished(), TextDelta("Hi.")], "not once at the end"),
        ([Finished()], "answered with nothing"),
    ],
)
async def test_a_model_that_does_not_finish_once_breaks_it(events: list[ModelEvent], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        await check_language_model(Telling(*events))


async def test_a_model_that_refuses_odd_conversations_keeps_it() -> None:
    class Strict(Telling):
        async def stream(
            self,
            messages: Sequence[Message],
            *,
            tools: Sequence[Tool] = (),
            tool_choice: ToolChoice = "auto",
            max_tokens: int | None = None,
        ) -> AsyncGenerator[ModelEvent, None]:
            if not messages or len(messages[-1].content) not in range(1, 100):
                raise ProviderRejected("not that")
            for event in self.events:
                yield event

    await check_language_model(Strict(TextDelta("Hi."), Finished()))


class Sounding:
    """A voice that gives the same speech for everything, under two names."""

    voices = (VoiceOption("one", ""), VoiceOption("two", ""))
    capabilities = SynthesiserCapabilities(speed=False)

    def __init__(self, *speeches: Speech) -> None:
        self.rate_hz = 24_000
        self.speeches = speeches

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        for speech in self.speeches:
            yield speech


LOUD = np.full(24_000 * 3, 5000, np.int16)


@pytest.mark.parametrize(
    ("speech", "complaint"),
    [
        (Speech(LOUD.astype(np.float32)), "this one is"),
        (Speech(LOUD[:100]), "is not how people speak"),
        (Speech(LOUD // 100), "nobody hears"),
        (Speech(LOUD, (WordTime("late", 0, 100_000),)), "out of the audio"),
        (Speech(LOUD, (WordTime("late", 0, 100),)), "all words have times, or none"),
        (Speech(LOUD), "has nothing to say, but made sound"),
    ],
)
async def test_a_voice_that_is_no_voice_breaks_it(speech: Speech, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        await check_synthesiser(Sounding(speech))


async def test_a_voice_that_does_not_listen_to_its_names_breaks_it() -> None:
    class Monotonous(ScriptedVoice):
        def stream(
            self, text: str, *, voice: str | None = None, speed: float = 1.0
        ) -> AsyncGenerator[Speech, None]:
            return super().stream(text, speed=speed)

    with pytest.raises(AssertionError, match="two voices sound the same"):
        await check_synthesiser(Monotonous())
