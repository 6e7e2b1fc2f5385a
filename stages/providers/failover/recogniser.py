"""Recognisers as one: when the first fails, or is late, the next hears the utterance from its beginning."""

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import anyio

from audio.formats import Samples
from stages.errors import ErrorKind, ProviderError, ProviderTimeout
from stages.patience import patience
from stages.ports import (
    OwnsTurns,
    Recogniser,
    RecogniserCapabilities,
    Recognition,
    SpeechHints,
    Transcript,
    TurnRecogniser,
)
from stages.providers.calls import label
from stages.providers.cut_turns import as_recogniser
from stages.providers.failover.chain import Attempt, Chain, common_languages
from stages.providers.failover.heard import HeardAudio, Hearing, OnPartial, Told
from stages.providers.failover.race import Runner, first_of
from stages.providers.failover.turns import WatchedTurns

LATE_S = 3.0
"""From the end of an utterance to its text."""

WORTH_ASKING_S = 0.8
"""Of so much audio in which the first heard nothing, the next is asked: noise is mostly shorter."""


class FailoverRecogniser:
    """Recognisers in the order in which they are asked, for utterances that the server cuts; a `Recogniser`."""

    def __init__(self, chain: Chain[Recogniser], late_s: float = LATE_S) -> None:
        self._chain = chain
        self._late_s = late_s
        self.rate_hz = chain.links[0].provider.rate_hz
        """The sample rate that `push` expects; others hear it resampled."""

    @classmethod
    def of(cls, providers: Mapping[str, Recogniser], *, hedge: bool = False) -> "FailoverRecogniser":
        """Recognisers by their names, the first choice first. `hedge`: the next hears what was said too where one is
        later with its text than it usually is."""
        recognisers = {name: as_recogniser(one) for name, one in providers.items()}
        return cls(Chain.of("stt", recognisers, hedge=hedge))

    @staticmethod
    def common(several: Sequence[RecogniserCapabilities]) -> RecogniserCapabilities:
        """What all of them can do. The first finds the ends of turns, if it can, as long as it does not fail.
        Each is told the phrases: one that listens for them is enough."""
        return RecogniserCapabilities(
            turns=several[0].turns,
            eager_end=several[0].eager_end,
            partials=all(one.partials for one in several),
            word_times=all(one.word_times for one in several),
            languages=common_languages([one.languages for one in several]),
            phrases=any(one.phrases for one in several),
        )

    @property
    def turns(self) -> TurnRecogniser | None:
        """The first one, where it finds the ends of turns."""
        first = self._chain.links[0]
        found = first.provider.turns if isinstance(first.provider, OwnsTurns) else None
        if found is None:
            return None
        watched = WatchedTurns(found, first)
        label(watched, first.kind, first.name)
        return watched

    @asynccontextmanager
    async def session(self) -> AsyncIterator["FailoverRecogniser"]:
        """The same for one session."""
        async with AsyncExitStack() as stack:
            yield FailoverRecogniser(await self._chain.opened(stack), self._late_s)

    async def close(self) -> None:
        """Close those that can be closed."""
        await self._chain.close()

    def open(self, on_partial: OnPartial | None = None, *, hints: SpeechHints = SpeechHints()) -> Recognition:
        """Begin an utterance."""
        return _FailoverRecognition(self._chain, self.rate_hz, self._late_s, on_partial, hints)


class _FailoverRecognition:
    def __init__(
        self,
        chain: Chain[Recogniser],
        rate_hz: int,
        late_s: float,
        on_partial: OnPartial | None,
        hints: SpeechHints,
    ) -> None:
        self._chain = chain
        self._rate_hz = rate_hz
        self._late_s = late_s
        self._hints = hints
        self._heard = HeardAudio(rate_hz)
        self._told = Told(on_partial)
        self._attempts = chain.attempts()
        self._attempt = next(self._attempts)
        self._hearing: Hearing | None = None
        self._beside: Hearing | None = None
        """Another that is asked at the same time."""
        self._silent_s = 0.0
        """How much of it, from its start, all agree that nothing is said in."""
        self._hearing = self._opened_or_failed(self._attempt)

    def push(self, samples: Samples) -> None:
        self._heard.append(samples)
        for hearing in (self._hearing, self._beside):
            if hearing is not None:
                hearing.push(samples)

    async def final(self) -> Transcript:
        while True:
            if self._hearing is not None:
                try:
                    return await self._agreed(await self._hedged(self._hearing, self._attempt))
                except ProviderError as error:
                    self._attempt.failed(error)
            failure = self._attempt.error
            self._let_go()
            following = next(self._attempts, None)
            if following is None:
                raise failure or ProviderError("no recogniser is left")
            self._attempt = following
            self._hearing = self._opened_or_failed(self._attempt)

    def close(self) -> None:
        self._told.close()
        self._let_go()
        self._let_go_beside()

    def _let_go_beside(self) -> None:
        if self._beside is not None:
            self._beside.recognition.close()
            self._beside = None

    def _let_go(self) -> None:
        if self._hearing is not None:
            self._hearing.recognition.close()
            self._hearing = None

    async def _agreed(self, transcript: Transcript) -> Transcript:
        """The transcript; where it is empty, what the next one hears, if that hears anything. Cancel-safe."""
        if any(map(str.isalnum, transcript.text)) or not self._is_worth_asking():
            return transcript
        other = self._chain.other_than(self._attempt)
        try:
            if other is not None:
                self._beside = self._opened(other)
                second = await self._ask(self._beside, other)
                if any(map(str.isalnum, second.text)):
                    self._goes_on(other, self._beside)
                    return second
        except ProviderError as error:
            if other is not None:
                other.failed(error)
        finally:
            self._let_go_beside()
        self._silent_s = self._heard.duration_s
        return transcript

    def _goes_on(self, other: Attempt[Recogniser], hearing: Hearing) -> None:
        """Another has heard words where the present one heard none."""
        self._attempt.failed(ProviderError("it heard nothing", kind=ErrorKind.PROTOCOL))
        self._chain.tell(self._attempt, other)
        self._attempt, self._hearing, self._beside = other, hearing, self._hearing

    def _is_worth_asking(self) -> bool:
        return self._heard.duration_s >= self._silent_s + WORTH_ASKING_S

    async def _hedged(self, hearing: Hearing, first: Attempt[Recogniser]) -> Transcript:
        """The text of the recogniser that was asked, or, where it is late, of whichever of two has it first."""
        after_s = self._chain.hedge_after_s(first)
        if after_s is None:
            return await self._ask(hearing, first)
        try:
            async with anyio.create_task_group() as tasks:
                ours = won = Runner(tasks, partial(self._ask, hearing, first))
                with anyio.move_on_after(after_s):
                    await ours.over()
                other = None if ours.is_over else self._chain.hedge(first)
                if other is not None and (beside := self._opened_or_failed(other)) is not None:
                    self._beside = beside
                    rival = Runner(tasks, partial(self._awaited, beside, other))
                    won = await first_of(ours, rival)
                    if rival.error is not None:
                        other.failed(rival.error)
                    if won is rival:
                        self._is_overtaken(first, other, ours.error)
                        self._hearing, self._beside = beside, hearing
                await won.over()
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None
        finally:
            self._let_go_beside()
        return won.result()

    def _is_overtaken(
        self, first: Attempt[Recogniser], other: Attempt[Recogniser], error: ProviderError | None
    ) -> None:
        """The rest of the utterance is heard by another, which was quicker."""
        if error is None:
            first.was_late()
        else:
            first.failed(error)
        self._chain.tell(first, other)
        self._attempt = other

    def _opened_or_failed(self, attempt: Attempt[Recogniser]) -> Hearing | None:
        """Have the recogniser hear all that there is; one that cannot begin has failed."""
        try:
            return self._opened(attempt)
        except ProviderError as error:
            attempt.failed(error)
            return None

    async def _ask(self, hearing: Hearing, attempt: Attempt[Recogniser]) -> Transcript:
        attempt.begins()
        return await self._awaited(hearing, attempt)

    async def _awaited(self, hearing: Hearing, attempt: Attempt[Recogniser]) -> Transcript:
        late_s = math.inf if attempt.is_last else self._late_s
        with patience(late_s):
            transcript = await hearing.final()
            attempt.succeeded()
            return transcript
        raise ProviderTimeout(f"no text within {late_s:g} s", kind=ErrorKind.TIMEOUT)

    def _opened(self, attempt: Attempt[Recogniser]) -> Hearing:
        hearing = Hearing(attempt, self._rate_hz, self._told.report(), self._hints)
        hearing.push(self._heard.audio())
        return hearing
