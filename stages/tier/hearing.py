"""One stream of a recogniser at the tier: messages become calls of the recogniser, and what it says messages."""

from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from stages.errors import ErrorKind, ProviderError, ProviderRejected
from stages.ports import Partial, Recogniser, Recognition
from stages.providers.remote.wire import (
    HEARERS,
    MAX_UTTERANCES,
    Close,
    Final,
    Guess,
    Heard,
    Listen,
    audio_of,
)
from stages.tier.outbox import Outbox, TierConnection, converse


@dataclass(slots=True)
class _Utterance:
    recognition: Recognition
    asked: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    """The question that is being answered; cancelled by the next."""


class _Hearing:
    def __init__(self, recogniser: Recogniser, outbox: Outbox, tasks: TaskGroup) -> None:
        self._recogniser = recogniser
        self._outbox = outbox
        self._tasks = tasks
        self._live: dict[int, _Utterance] = {}

    def take(self, message: str | bytes) -> None:
        """Do what a message says. Raises ValueError or ProviderRejected when it cannot be done."""
        if isinstance(message, bytes):
            number, samples = audio_of(message)
            if (live := self._live.get(number)) is not None:
                live.recognition.push(samples)
            return
        said = HEARERS.validate_json(message)
        if isinstance(said, Listen):
            self._listen(said)
            return
        utterance = self._live.get(said.id)
        if utterance is None:
            return  # it was closed on the way
        utterance.asked.cancel()
        if isinstance(said, Final):
            utterance.asked = anyio.CancelScope()
            self._tasks.start_soon(self._answer, said, utterance.recognition, utterance.asked)
        elif isinstance(said, Close):
            del self._live[said.id]
            utterance.recognition.close()

    def close(self) -> None:
        """The client has left."""
        for utterance in self._live.values():
            utterance.recognition.close()
        self._live.clear()

    def _listen(self, said: Listen) -> None:
        if said.id in self._live or len(self._live) >= MAX_UTTERANCES:
            words = f"id: {said.id} is open already, or more than {MAX_UTTERANCES} utterances are"
            raise ProviderRejected(words, kind=ErrorKind.BAD_REQUEST)
        number = said.id

        def tell(partial: Partial) -> None:
            self._outbox.mention(Guess(id=number, text=partial.text, stable=partial.stable))

        recognition = self._recogniser.open(tell if said.partials else None, hints=said.hints)
        self._live[number] = _Utterance(recognition)

    async def _answer(self, said: Final, recognition: Recognition, scope: anyio.CancelScope) -> None:
        with scope:
            try:
                transcript = await recognition.final()
            except ProviderError as error:
                await self._outbox.failed(error, said.id, said.ask)
                return
            await self._outbox.say(Heard(id=said.id, ask=said.ask, transcript=transcript))


async def hear(recogniser: Recogniser, channel: TierConnection) -> None:
    """A client's stream, until it leaves. Cancel-safe."""
    await converse(channel, lambda outbox, tasks: _Hearing(recogniser, outbox, tasks))
