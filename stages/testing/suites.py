"""Contracts as test classes: a subclass that says how its provider is made is tested by one test a check.

    class TestAcme(RecogniserContract):
        says = "Hello there."

        def provider(self):
            return Acme(Settings(...))

        def speech(self):
            return read_wav("hello.wav")

`provider` may also be an async context manager that yields it, for one that needs a fake service. pytest finds the
checks by the plug-in that this package brings along (`stages.testing.pytest_plugin`).
"""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any, ClassVar

import anyio

from audio.formats import SPEECH_HZ, Samples
from stages.errors import ProviderError
from stages.providers.built_in import Kind
from stages.testing.detector_checks import detector_checks
from stages.testing.kit import Check, Terms, fault_of, opened
from stages.testing.model_checks import GREETING, model_checks
from stages.testing.question import question
from stages.testing.recogniser_checks import KnownSpeech, hear, recogniser_checks
from stages.testing.session_contracts import turn_checks, utterance_checks
from stages.testing.turn_end_checks import turn_end_checks
from stages.testing.voice_checks import SENTENCE, voice_checks

log = logging.getLogger(__name__)


def checks_for(kind: Kind, provider: Any, said: KnownSpeech | None = None) -> tuple[Check[Any], ...]:
    """All checks of an opened provider of this kind; those that listen need speech. Empty for kinds without."""
    if kind == "llm":
        return model_checks()
    if kind == "tts":
        return utterance_checks() if hasattr(provider, "utterance") else voice_checks()
    if kind == "stt" and said is not None:
        return recogniser_checks(said) if hasattr(provider, "open") else turn_checks(said)
    if kind == "vad" and said is not None:
        return detector_checks(said.samples)
    if kind == "end_of_turn" and said is not None:
        return turn_end_checks(said.samples)
    return ()


def unreachable_check(kind: Kind, said: KnownSpeech | None = None) -> Check[Any]:
    """What a provider must do whose service is not there: raise a ProviderError, in time."""

    async def run(provider: Any) -> None:
        told: str | None = None
        try:
            await _use(kind, provider, said)
        except ProviderError as error:
            told = str(error)
            log.warning("%s", error)  # as the server does, so that secrets in it are seen
        assert told is not None, "its service is not there, and it says nothing of it"
        assert told, "an error says what is wrong"

    return Check("unreachable", "without its service: a ProviderError that says so, in time", run)


async def _use(kind: Kind, provider: Any, said: KnownSpeech | None) -> None:
    if kind == "stt" and said is not None:
        await hear(provider, said.samples, [])
    elif kind == "llm":
        async with aclosing(provider.stream(GREETING)) as events:
            async for _ in events:
                pass
    elif hasattr(provider, "utterance"):
        async with provider.utterance() as utterance:
            await utterance.push(SENTENCE)
            await utterance.finish()
            async with aclosing(utterance.audio()) as stream:
                async for _ in stream:
                    pass
    else:
        async with aclosing(provider.stream(SENTENCE)) as stream:
            async for _ in stream:
                pass


class ProviderContract:
    """What the contracts of all providers have in common. A subclass has `provider`, and what its kind needs."""

    kind: ClassVar[Kind]
    deadline_s: float = 30.0
    secrets: Sequence[str] = ()
    """Values that may show nowhere: the key that `provider` is made with."""

    def provider(self) -> Any:
        """A fresh provider, or an async context manager that yields one."""
        raise NotImplementedError(f"{type(self).__name__} has no `provider` that makes what is to be tested")

    def unreachable(self) -> Any:
        """The same provider with a service that is not there, such as at a port where nobody listens; None for a
        provider that needs none."""
        return None

    def checks(self) -> tuple[Check[Any], ...]:
        """What is checked."""
        raise NotImplementedError

    def check_names(self) -> list[str]:
        """The checks by name, those of an unreachable service too."""
        return [check.name for check in self.checks()] + ["unreachable"]

    def test_contract(self, check: str) -> None:
        """One test for each check."""
        fault = anyio.run(self.fault_of, check)
        assert not fault, fault

    async def fault_of(self, name: str) -> str:
        """What is wrong with the provider in the check of this name; empty if nothing is."""
        terms = Terms(self.deadline_s, self.secrets)
        if name == "unreachable":
            if self.unreachable() is None:
                return ""
            return await fault_of(
                lambda: _opened(self.unreachable()), unreachable_check(self.kind, self._said()), terms
            )
        check = next(check for check in self.checks() if check.name == name)
        return await fault_of(lambda: _opened(self.provider()), check, terms)

    def _said(self) -> KnownSpeech | None:
        return None


@asynccontextmanager
async def _opened(made: Any) -> AsyncIterator[Any]:
    if isinstance(made, AbstractAsyncContextManager):
        async with made as provider, opened(provider) as one:
            yield one
    else:
        async with opened(made) as one:
            yield one


class RecogniserContract(ProviderContract):
    """The contract of a recogniser that transcribes what the server cuts. Beside `provider`: `speech`, and in `says`
    its words."""

    kind = "stt"
    says: str = ""
    max_word_errors: float = 0.0
    """Share of the words that may be wrong."""

    def speech(self) -> Samples:
        """A sentence of two seconds or more, `int16[n]` at the recogniser's rate."""
        raise NotImplementedError(f"{type(self).__name__} has no `speech`, in which `says` is said")

    def _said(self) -> KnownSpeech:
        return KnownSpeech(self.speech(), self.says, self.max_word_errors)

    def checks(self) -> tuple[Check[Any], ...]:
        """Those of `recogniser_checks`."""
        return recogniser_checks(self._said())


class TurnRecogniserContract(RecogniserContract):
    """The contract of a recogniser that finds the ends of turns itself; `speech` is one turn."""

    def checks(self) -> tuple[Check[Any], ...]:
        """Those of `turn_checks`."""
        return turn_checks(self._said())

    def unreachable(self) -> Any:
        """It tells by an event, which `turn_checks` see."""
        return None


class ModelContract(ProviderContract):
    """The contract of a language model."""

    kind = "llm"

    def checks(self) -> tuple[Check[Any], ...]:
        """Those of `model_checks`."""
        return model_checks()


class VoiceContract(ProviderContract):
    """The contract of a voice that speaks a piece of text a call."""

    kind = "tts"

    def checks(self) -> tuple[Check[Any], ...]:
        """Those of `voice_checks`."""
        return voice_checks()


class UtteranceContract(VoiceContract):
    """The contract of a voice that opens utterances, in which text is pushed."""

    def checks(self) -> tuple[Check[Any], ...]:
        """Those of `utterance_checks`."""
        return utterance_checks()


class DetectorContract(ProviderContract):
    """The contract of a speech detector; `speech` is a sentence at 16 kHz, if it is not to be the one that comes
    along."""

    kind: ClassVar[Kind] = "vad"

    def speech(self) -> Samples:
        """A sentence, `int16[n]` at 16 kHz."""
        return question(SPEECH_HZ)

    def checks(self) -> tuple[Check[Any], ...]:
        """Those of `detector_checks`."""
        return detector_checks(self.speech())


class TurnEndContract(DetectorContract):
    """The contract of a model of ends of turns; `speech` as for a detector."""

    kind = "end_of_turn"

    def checks(self) -> tuple[Check[Any], ...]:
        """Those of `turn_end_checks`."""
        return turn_end_checks(self.speech())
