"""What tests of hosted providers share: speech for a fake, and one turn through a recogniser or a voice, in time."""

from collections.abc import Callable, Iterable
from contextlib import aclosing

import anyio
import anyio.lowlevel
import numpy as np

from audio.formats import Samples
from stages.errors import ProviderError
from stages.ports import (
    Partial,
    Recogniser,
    Speech,
    SpokenUtterance,
    Transcript,
    TurnEvent,
    TurnsFailed,
    TurnStream,
    UtteranceSynthesiser,
)
from stages.testing.servers.coded import CodedWords
from stages.testing.servers.line import FakeServer, Frame
from tests.support.patience import PATIENCE_S

SENTENCE = "What time is it in Reykjavik when it is noon here?"


def frames(samples: Samples, rate_hz: int = 16_000) -> Iterable[Samples]:
    """As a session pushes them: 20 ms each."""
    size = rate_hz // 50
    return (samples[at : at + size] for at in range(0, len(samples), size))


async def hear(recogniser: Recogniser, samples: Samples, partials: list[Partial] | None = None) -> Transcript:
    """One utterance, pushed at once."""
    recognition = recogniser.open(None if partials is None else partials.append)
    try:
        for frame in frames(samples):
            recognition.push(frame)
            await anyio.lowlevel.checkpoint()
        with anyio.fail_after(PATIENCE_S):
            return await recognition.final()
    finally:
        recognition.close()


async def outcome(recogniser: Recogniser, coded: CodedWords) -> str:
    """What came of an utterance: its text, or the kind of the error."""
    try:
        return (await hear(recogniser, coded.samples())).text
    except ProviderError as error:
        return f"{type(error).__name__} {error.kind}"


async def speak(
    voice: UtteranceSynthesiser, *pieces: str, name: str | None = None, speed: float = 1.0
) -> list[Speech]:
    """One answer, pushed piece by piece while its audio is taken."""
    speeches: list[Speech] = []

    async def push(utterance: SpokenUtterance) -> None:
        for piece in pieces:
            await utterance.push(piece)
        await utterance.finish()

    with anyio.fail_after(PATIENCE_S):
        try:
            async with voice.utterance(voice=name, speed=speed) as utterance:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(push, utterance)
                    async with aclosing(utterance.audio()) as stream:
                        async for speech in stream:
                            speeches.append(speech)
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None
    return speeches


def sound(speeches: Iterable[Speech]) -> Samples:
    """All the samples."""
    return np.concatenate([np.zeros(0, np.int16), *(speech.samples for speech in speeches)])


async def barge_in(
    voice: UtteranceSynthesiser, server: FakeServer, is_cancel: Callable[[Frame], bool]
) -> int:
    """Cancel an answer in its middle; how many turns of the loop it takes until the service has been told. (A turn is
    a fraction of a millisecond, and their number does not depend on how busy the machine is.)"""
    async with voice.utterance() as utterance:
        await utterance.push("A long sentence that is cut short. " * 5)
        async with aclosing(utterance.audio()) as audio:
            await anext(audio)
            before = sum(map(is_cancel, server.sent()))
            utterance.cancel()
            turns = 0
            while sum(map(is_cancel, server.sent())) == before and turns < 1000:
                await anyio.lowlevel.checkpoint()
                turns += 1
    return turns


class Told:
    """The events of a stream of turns."""

    def __init__(self) -> None:
        self.events: list[TurnEvent] = []
        self._changed = anyio.Event()

    def __call__(self, event: TurnEvent) -> None:
        self.events.append(event)
        self._changed.set()
        self._changed = anyio.Event()

    def of(self, kind: type) -> list[TurnEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, kind: type, times: int = 1) -> None:
        with anyio.fail_after(PATIENCE_S):
            while len(self.of(kind)) < times and not self.of(TurnsFailed):
                await self._changed.wait()


async def push(stream: TurnStream, *audio: Samples) -> None:
    for samples in audio:
        for frame in frames(samples):
            stream.push(frame)
            await anyio.sleep(0.001)
