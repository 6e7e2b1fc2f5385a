"""One answer on its way to sound by several voices, one after the other.

A task of its own speaks: it opens an utterance of a voice, gives it the text from where the last one came to, and
hands its audio on. Whoever pushes waits until the voice of the moment has taken the piece; whoever iterates is handed
one stretch at a time, so nothing piles up in between. Where a voice is late with its first sound, another may be given
the same text: only the one that sounds first is handed on.
"""

from collections.abc import AsyncGenerator
from enum import Enum, auto
from functools import partial
from typing import Self

import anyio

from stages.errors import ProviderError
from stages.ports import Speech
from stages.providers.failover.chain import Attempt, Chain
from stages.providers.failover.part import Choice, Part, Text, Voice
from stages.providers.failover.race import Runner, any_of


class _State(Enum):
    SPEAKING = auto()
    OVER = auto()
    CANCELLED = auto()


class FailoverUtterance:
    """A `SpokenUtterance`. `run` speaks it, in a task of its owner's; leaving its block lets go of its stream."""

    def __init__(self, chain: Chain[Voice], choice: Choice) -> None:
        self._chain = chain
        self._choice = choice
        self._text = Text()
        self._part: Part | None = None
        self._rival: Part | None = None
        """Of another voice that is asked beside it, until one of the two is heard."""
        self._state = _State.SPEAKING
        self._error: ProviderError | None = None
        self._scope = anyio.CancelScope()
        self._send, self._receive = anyio.create_memory_object_stream[Speech]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._send.close()
        self._receive.close()

    @property
    def waiting_chars(self) -> int:
        """How much of the text has not come back as audio."""
        if self._state is not _State.SPEAKING:
            return 0
        part = self._part
        return self._text.chars if part is None else self._text.chars - part.given + part.waiting

    async def push(self, text: str) -> None:
        """Append a piece; waits until a voice has taken those before it. Raises ProviderError."""
        before = self._text.chars
        self._text.push(text)
        while self._state is _State.SPEAKING and self._taken < before:
            await self._text.change()
        self._check()

    @property
    def _taken(self) -> int:
        return max((part.taken for part in (self._part, self._rival) if part is not None), default=0)

    async def finish(self) -> None:
        """The text is complete. Raises ProviderError."""
        self._text.complete()
        self._check()

    def cancel(self) -> None:
        """No audio comes afterwards."""
        if self._state is _State.SPEAKING:
            self._state = _State.CANCELLED
        for part in (self._part, self._rival):
            if part is not None:
                part.cancel()
        self._scope.cancel()
        self._text.tell()

    async def audio(self) -> AsyncGenerator[Speech, None]:
        """What is spoken, by whichever voice. Raises the last one's ProviderError."""
        async for speech in self._receive:
            if self._state is _State.CANCELLED:
                return
            yield speech
        self._check()

    async def run(self) -> None:
        """Speak with one voice after the other, until one comes to the end. Never raises a ProviderError."""
        with self._scope, self._send:
            base = samples = 0
            for attempt in self._chain.attempts():
                self._part = self._new_part(attempt, base, samples)
                self._text.tell()
                try:
                    await self._hedged(self._part)
                    break
                except ProviderError as error:
                    self._part.attempt.failed(error)
                    base, samples = self._part.resume_at(), self._part.end_sample
                    if self._text.is_complete and samples and base >= self._text.chars:
                        break
                    self._error = error if attempt.is_last else None
            self._state = _State.OVER
            self._text.tell()

    def _new_part(self, attempt: Attempt[Voice], base: int, samples: int) -> Part:
        return Part(attempt, self._choice, self._text, base, samples, self._send)

    async def _hedged(self, first: Part) -> None:
        """Speak with the voice of the moment, or, where it is late, with whichever of two is heard first."""
        after_s = self._chain.hedge_after_s(first.attempt)
        if after_s is None:
            await first.speak()
            return
        try:
            async with anyio.create_task_group() as tasks:
                ours = won = Runner(tasks, first.speak)
                other = self._rival = await self._asked_beside(first, ours, after_s)
                if other is not None:
                    rival = Runner(tasks, other.speak)
                    won = await _heard_first(first, ours, other, rival)
                    self._settle(first, ours, other, rival, won)
                await won.over()
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None
        won.result()

    async def _asked_beside(self, first: Part, ours: Runner[None], after_s: float) -> Part | None:
        """A part of another voice, where the first is later with its sound than it usually is."""
        await any_of(first.start.asked.wait, ours.over)
        with anyio.move_on_after(after_s):
            await any_of(first.start.sounds.wait, ours.over)
        if (
            first.start.sounds.is_set()
            or ours.is_over
            or (attempt := self._chain.hedge(first.attempt)) is None
        ):
            return None
        other = self._new_part(attempt, first.heard.base, first.end_sample)
        heard = list[Part]()

        def is_first(part: Part) -> bool:
            heard.append(part)
            return heard[0] is part

        first.start.may_sound, other.start.may_sound = partial(is_first, first), partial(is_first, other)
        return other

    def _settle(
        self, first: Part, ours: Runner[None], other: Part, rival: Runner[None], won: Runner[None]
    ) -> None:
        """One of two is heard, or both have failed: the other is let go."""
        if rival.error is not None:
            other.attempt.failed(rival.error)
        if won is rival:
            if ours.error is not None:
                first.attempt.failed(ours.error)
            else:
                first.attempt.was_late()
            self._chain.tell(first.attempt, other.attempt)
            self._part = other
        loser, part = (ours, first) if won is rival else (rival, other)
        loser.cancel()
        part.cancel()
        self._rival = None
        self._text.tell()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error


async def _heard_first(first: Part, ours: Runner[None], other: Part, rival: Runner[None]) -> Runner[None]:
    """Which of two gives a sound first, or has nothing to say; where both fail, the first one is told of."""
    while not (ours.is_over and rival.is_over):
        for part, runner in ((first, ours), (other, rival)):
            if part.start.sounds.is_set() or runner.has_result:
                return runner
        still = [runner.over for runner in (ours, rival) if not runner.is_over]
        await any_of(first.start.sounds.wait, other.start.sounds.wait, *still)
    return rival if other.start.sounds.is_set() or (rival.has_result and not ours.has_result) else ours
