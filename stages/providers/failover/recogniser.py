"""Recognisers as one: when the first fails, or is late, the next hears the utterance from its beginning."""

import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import anyio
import numpy as np

from audio.formats import Samples
from audio.resample import Resampler
from stages.errors import ErrorKind, ProviderError, ProviderTimeout
from stages.ports import (
    OwnsTurns,
    Partial,
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
from stages.providers.failover.turns import WatchedTurns

LATE_S = 3.0
"""From the end of an utterance to its text."""

WORTH_ASKING_S = 0.8
"""Of so much audio in which the first heard nothing, the next is asked: noise is mostly shorter."""

REPLAY_S = 60.0
"""How much of an utterance the next recogniser can hear: its newest audio."""

OnPartial = Callable[[Partial], None]


class FailoverRecogniser:
    """Recognisers in the order in which they are asked, for utterances that the server cuts; a `Recogniser`."""

    def __init__(self, chain: Chain[Recogniser], late_s: float = LATE_S) -> None:
        self._chain = chain
        self._late_s = late_s
        self.rate_hz = chain.links[0].provider.rate_hz
        """The sample rate that `push` expects; others hear it resampled."""

    @classmethod
    def of(cls, providers: Mapping[str, Recogniser]) -> "FailoverRecogniser":
        """Recognisers by their names, the first choice first."""
        return cls(Chain.of("stt", {name: as_recogniser(one) for name, one in providers.items()}))

    @staticmethod
    def common(several: Sequence[RecogniserCapabilities]) -> RecogniserCapabilities:
        """What all of them can do. The first finds the ends of turns, if it can, as long as it does not fail."""
        return RecogniserCapabilities(
            turns=several[0].turns,
            eager_end=several[0].eager_end,
            partials=all(one.partials for one in several),
            word_times=all(one.word_times for one in several),
            languages=common_languages([one.languages for one in several]),
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
        self._heard = _Heard(rate_hz)
        self._told = _Told(on_partial)
        self._attempts = chain.attempts()
        self._attempt = next(self._attempts)
        self._hearing: _Hearing | None = None
        self._silent_s = 0.0
        """How much of it, from its start, all agree that nothing is said in."""
        self._try_open()

    def push(self, samples: Samples) -> None:
        self._heard.append(samples)
        if self._hearing is not None:
            self._hearing.push(samples)

    async def final(self) -> Transcript:
        while True:
            if self._hearing is not None:
                try:
                    return await self._agreed(await self._ask(self._hearing, self._attempt))
                except ProviderError as error:
                    self._attempt.failed(error)
            failure = self._attempt.error
            self._let_go()
            following = next(self._attempts, None)
            if following is None:
                raise failure or ProviderError("no recogniser is left")
            self._attempt = following
            self._try_open()

    def close(self) -> None:
        self._told.close()
        self._let_go()

    def _let_go(self) -> None:
        if self._hearing is not None:
            self._hearing.recognition.close()
            self._hearing = None

    async def _agreed(self, transcript: Transcript) -> Transcript:
        """The transcript; where it is empty, what the next one hears, if that hears anything. Cancel-safe."""
        if any(map(str.isalnum, transcript.text)) or not self._is_worth_asking():
            return transcript
        other = self._chain.other_than(self._attempt)
        hearing: _Hearing | None = None
        try:
            if other is not None:
                hearing = self._opened(other)
                second = await self._ask(hearing, other)
                if any(map(str.isalnum, second.text)):
                    self._goes_on(other, hearing)
                    hearing = None
                    return second
        except ProviderError as error:
            if other is not None:
                other.failed(error)
        finally:
            if hearing is not None:
                hearing.recognition.close()
        self._silent_s = self._heard.duration_s
        return transcript

    def _goes_on(self, other: Attempt[Recogniser], hearing: "_Hearing") -> None:
        """Another has heard words where the present one heard none."""
        self._attempt.failed(ProviderError("it heard nothing", kind=ErrorKind.PROTOCOL))
        self._chain.tell(self._attempt, other)
        self._let_go()
        self._attempt, self._hearing = other, hearing

    def _is_worth_asking(self) -> bool:
        return self._heard.duration_s >= self._silent_s + WORTH_ASKING_S

    async def _ask(self, hearing: "_Hearing", attempt: Attempt[Recogniser]) -> Transcript:
        late_s = math.inf if attempt.is_last else self._late_s
        attempt.begins()
        with anyio.move_on_after(late_s):
            transcript = await hearing.final()
            attempt.succeeded()
            return transcript
        raise ProviderTimeout(f"no text within {late_s:g} s", kind=ErrorKind.TIMEOUT)

    def _try_open(self) -> None:
        """Have the recogniser hear all that there is; one that cannot begin has failed, which `final` finds."""
        try:
            self._hearing = self._opened(self._attempt)
        except ProviderError as error:
            self._attempt.failed(error)

    def _opened(self, attempt: Attempt[Recogniser]) -> "_Hearing":
        hearing = _Hearing(attempt, self._rate_hz, self._told.report(), self._hints)
        hearing.push(self._heard.audio())
        return hearing


class _Hearing:
    """One recogniser that hears the utterance, at its own rate."""

    def __init__(
        self, attempt: Attempt[Recogniser], rate_hz: int, report: OnPartial | None, hints: SpeechHints
    ) -> None:
        self.recognition = attempt.provider.open(report, hints=hints)
        self._resampler = Resampler(rate_hz, attempt.provider.rate_hz)

    def push(self, samples: Samples) -> None:
        if len(resampled := self._resampler.process(samples)):
            self.recognition.push(resampled)

    async def final(self) -> Transcript:
        return await self.recognition.final()


class _Heard:
    """The utterance's newest audio."""

    def __init__(self, rate_hz: int) -> None:
        self.duration_s = 0.0
        """Of all that there was."""
        self._rate_hz = rate_hz
        self._most = int(REPLAY_S * rate_hz)
        self._pieces: list[Samples] = []
        self._kept = 0

    def append(self, samples: Samples) -> None:
        self._pieces.append(samples)
        self._kept += len(samples)
        self.duration_s += len(samples) / self._rate_hz
        if self._kept > 2 * self._most:
            self._pieces = [self.audio()]
            self._kept = self._most

    def audio(self) -> Samples:
        """At most `REPLAY_S`."""
        if not self._pieces:
            return np.zeros(0, np.int16)
        return np.concatenate(self._pieces)[-self._most :]


class _Told:
    """Hands partials on, and none of a later recogniser that contradicts what was told as stable."""

    def __init__(self, on_partial: OnPartial | None) -> None:
        self._on_partial = on_partial
        self._stable = ""

    def report(self) -> OnPartial | None:
        return self._tell if self._on_partial is not None else None

    def close(self) -> None:
        self._on_partial = None

    def _tell(self, partial: Partial) -> None:
        if self._on_partial is None or not partial.text.startswith(self._stable):
            return
        if not partial.stable.startswith(self._stable):
            partial = replace(partial, stable=self._stable)
        self._stable = partial.stable
        self._on_partial(partial)
