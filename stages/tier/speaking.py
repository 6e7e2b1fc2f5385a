"""One stream of a voice at the tier: a client's messages become utterances of the voice, and its audio messages."""

from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from audio.formats import Samples
from stages.errors import ErrorKind, ProviderError, ProviderRejected
from stages.ports import Speech, SpokenUtterance, Synthesiser, UtteranceSynthesiser
from stages.providers.piecewise import open_utterance
from stages.providers.remote.wire import (
    SPEAKERS,
    Cancel,
    Ended,
    Finish,
    Speak,
    Spoken,
    Text,
    audio_message,
)
from stages.tier.outbox import Outbox, TierConnection, converse

MAX_ANSWERS = 8
"""Open on one stream; a conversation has two at the most."""

MAX_PIECES = 1024
"""Pieces of an answer's text that wait for the voice."""

_CHUNK_S = 0.5
"""How much audio goes in one message."""

Voice = Synthesiser | UtteranceSynthesiser


@dataclass(slots=True)
class _Answer:
    pieces: MemoryObjectSendStream[str]
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class _Speaking:
    def __init__(self, voice: Voice, outbox: Outbox, tasks: TaskGroup) -> None:
        self._voice = voice
        self._outbox = outbox
        self._tasks = tasks
        self._live: dict[int, _Answer] = {}

    def take(self, message: str | bytes) -> None:
        """Do what a message says. Raises ValueError or ProviderRejected when it cannot be done."""
        if isinstance(message, bytes):
            raise ValueError("a voice takes no audio")
        said = SPEAKERS.validate_json(message)
        if isinstance(said, Speak):
            self._open(said)
            return
        answer = self._live.get(said.id)
        if answer is None:
            return  # it ended on the way
        if isinstance(said, Text):
            try:
                answer.pieces.send_nowait(said.text)
            except (anyio.WouldBlock, anyio.ClosedResourceError, anyio.BrokenResourceError):
                answer.scope.cancel()
                words = f"text: more than {MAX_PIECES} pieces wait, or it was finished"
                raise ProviderRejected(words, kind=ErrorKind.BAD_REQUEST) from None
        elif isinstance(said, Finish):
            answer.pieces.close()
        elif isinstance(said, Cancel):
            answer.scope.cancel()

    def close(self) -> None:
        """The client has left; the tasks end with the stream."""
        for answer in self._live.values():
            answer.pieces.close()

    def _open(self, said: Speak) -> None:
        if said.id in self._live or len(self._live) >= MAX_ANSWERS:
            words = f"id: {said.id} is open already, or more than {MAX_ANSWERS} answers are"
            raise ProviderRejected(words, kind=ErrorKind.BAD_REQUEST)
        pieces, text = anyio.create_memory_object_stream[str](MAX_PIECES)
        answer = self._live[said.id] = _Answer(pieces)
        self._tasks.start_soon(self._speak, said, answer, text)

    async def _speak(self, said: Speak, answer: _Answer, text: MemoryObjectReceiveStream[str]) -> None:
        """One answer, from its first piece to `Ended` or `Fault`."""
        failure: ProviderError | None = None
        with answer.pieces, text:
            try:
                with answer.scope:
                    await self._spoken(said, text)
            except ProviderError as error:
                failure = error
            finally:
                self._live.pop(said.id, None)
        if failure is not None:
            await self._outbox.failed(failure, said.id)
        else:
            await self._outbox.say(Ended(id=said.id, cancelled=answer.scope.cancel_called))

    async def _spoken(self, said: Speak, text: MemoryObjectReceiveStream[str]) -> None:
        try:
            async with (
                open_utterance(
                    self._voice, name=said.voice, speed=said.speed, language=said.language
                ) as utterance,
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(self._feed, utterance, text, said.id)
                async with aclosing(utterance.audio()) as audio:
                    async for speech in audio:
                        await self._tell(said.id, speech)
        except BaseExceptionGroup as several:
            # One of the two failed; the other, if it is in there at all, was a consequence.
            raise several.exceptions[0] from None

    async def _feed(
        self, utterance: SpokenUtterance, text: MemoryObjectReceiveStream[str], number: int
    ) -> None:
        speaks_pieces = not hasattr(self._voice, "utterance")
        async for piece in text:
            await utterance.push(piece)
            if speaks_pieces:  # then all of its audio has been taken
                await self._outbox.say(Spoken(id=number, pieces=1))
        await utterance.finish()

    async def _tell(self, number: int, speech: Speech) -> None:
        if speech.words:
            await self._outbox.say(Spoken(id=number, words=speech.words))
        for samples in _chunks(speech.samples, round(_CHUNK_S * self._voice.rate_hz)):
            await self._outbox.say(audio_message(number, samples))


def _chunks(samples: Samples, size: int) -> Iterator[Samples]:
    return (samples[at : at + size] for at in range(0, len(samples), size))


async def speak(voice: Voice, channel: TierConnection) -> None:
    """A client's stream, until it leaves. Cancel-safe."""
    await converse(channel, lambda outbox, tasks: _Speaking(voice, outbox, tasks))
