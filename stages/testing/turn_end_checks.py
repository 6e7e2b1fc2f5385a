"""What every end-of-turn model must do: `stages.ports.EndOfTurnModel` as checks."""

import math
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Self

import anyio
import numpy as np

from audio.formats import SPEECH_HZ, Samples
from stages.testing.cancelling import TRIES
from stages.testing.kit import Check

ANSWER_WITHIN_S = 1.0
"""So long an answer is waited for, before the question is asked again."""
_LATE_S = 0.2
"""At least so long after a question is withdrawn its answer may not come."""
_HUGE_S = 120


def turn_end_checks(speech: Samples) -> tuple[Check[Any], ...]:
    """All checks, with a spoken sentence, `int16[n]` at 16 kHz."""
    checks = _Checks(speech)
    table: dict[str, tuple[str, Callable[[Any], Awaitable[None]]]] = {
        "answers": ("one probability for a sentence, on the event loop; again for the next", checks.answers),
        "newest": ("of two questions at once, no answer but to the newest", checks.newest),
        "dropped": ("no answer to what was withdrawn, and one to the next", checks.dropped),
        "closed": ("no answer after `close`, which may be called twice", checks.closed),
        "sessions": ("two sessions at once, each its own answer", checks.sessions),
        "odd": ("no samples, one, silence, full scale: an answer or none", checks.odd),
        "huge": (f"{_HUGE_S} s of sound: an answer or none", checks.huge),
        "keeps": ("the sound that it is given stays as it is", checks.keeps),
    }
    return tuple(Check(name, about, run, may_hold=name == "huge") for name, (about, run) in table.items())


class _Session:
    """The questions of one session, and what has been answered."""

    def __init__(self, model: Any) -> None:
        self._loop = threading.get_ident()
        self._faults: list[str] = []
        self._came = anyio.Event()
        self._answers: list[float] = []
        self.questions = model.open(self._answered)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.questions.close()

    @property
    def answers(self) -> list[float]:
        """All so far. Raises AssertionError with what is wrong with one."""
        assert not self._faults, self._faults[0]
        return self._answers

    async def ask(self, samples: Samples, before: Samples | None = None) -> None:
        """Ask, perhaps right after another question, until there is an answer; a busy machine may give none. Raises
        AssertionError for none at all, and for more than one."""
        for _ in range(TRIES):
            if before is not None:
                self.questions.ask(before)
            count = len(self.answers)
            self.questions.ask(samples)
            with anyio.move_on_after(ANSWER_WITHIN_S):
                while len(self.answers) == count:
                    self._came = anyio.Event()
                    await self._came.wait()
            if len(self.answers) > count:
                await anyio.sleep(_LATE_S / 4)
                assert len(self.answers) == count + 1, "it gives more than one answer to a question"
                return
        raise AssertionError("it gives no answer")

    async def ask_and_wait(self, samples: Samples) -> float:
        """Ask, and say how long to wait for an answer that may not come: longer than for one that may."""
        began = anyio.current_time()
        await self.ask(samples)
        return max(_LATE_S, 2 * (anyio.current_time() - began))

    def _answered(self, probability: Any) -> None:
        if threading.get_ident() != self._loop:
            self._faults.append("it answers in another thread than the event loop's")
            return
        if not isinstance(probability, float | int | np.floating):
            self._faults.append(f"it answers {probability!r}, which is no number")
        elif not (math.isfinite(probability) and 0 <= probability <= 1):
            self._faults.append(f"it answers {probability}, which is not from 0 to 1")
        self._answers.append(probability)
        self._came.set()


class _Checks:
    def __init__(self, speech: Samples) -> None:
        self._said = np.concatenate((speech, np.zeros(SPEECH_HZ // 5, np.int16)))

    async def answers(self, model: Any) -> None:
        with _Session(model) as session:
            for share in (1.0, 0.5, 1.0):
                await session.ask(self._said[: int(share * len(self._said))])

    async def newest(self, model: Any) -> None:
        with _Session(model) as session:
            await session.ask(self._said, before=self._said[: len(self._said) // 2])

    async def dropped(self, model: Any) -> None:
        with _Session(model) as session:
            session.questions.drop()
            late_s = await session.ask_and_wait(self._said)
            session.questions.ask(self._said)
            count = len(session.answers)
            session.questions.drop()
            await anyio.sleep(late_s)
            assert len(session.answers) == count, "it answers a question that was withdrawn"
            await session.ask(self._said)

    async def closed(self, model: Any) -> None:
        with _Session(model) as session:
            late_s = await session.ask_and_wait(self._said)
            session.questions.ask(self._said)
            count = len(session.answers)
            session.questions.close()
            session.questions.close()
            await anyio.sleep(late_s)
            assert len(session.answers) == count, "it answers after `close`"

    async def sessions(self, model: Any) -> None:
        with _Session(model) as one, _Session(model) as other, _Session(model) as silent:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(one.ask, self._said)
                tasks.start_soon(other.ask, self._said[: len(self._said) // 2])
            assert not silent.answers, "a session has the answer to another one's question"

    async def odd(self, model: Any) -> None:
        noise = np.random.default_rng(1).integers(-32_768, 32_767, SPEECH_HZ, dtype=np.int16)
        with _Session(model) as session:
            late_s = await session.ask_and_wait(self._said)
            for samples in (self._said[:0], self._said[:1], np.zeros(SPEECH_HZ, np.int16), noise):
                count = len(session.answers)
                session.questions.ask(samples)
                await anyio.sleep(late_s)
                assert len(session.answers) <= count + 1, "it gives more than one answer to a question"
            await session.ask(self._said)

    async def huge(self, model: Any) -> None:
        with _Session(model) as session:
            session.questions.ask(np.resize(self._said, _HUGE_S * SPEECH_HZ))
            session.questions.drop()
            await session.ask(self._said)

    async def keeps(self, model: Any) -> None:
        with _Session(model) as session:
            given = self._said.copy()
            await session.ask(given)
            assert (given == self._said).all(), "it changes the sound that it is given"
