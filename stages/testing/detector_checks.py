"""What every speech detector must do: `audio.vad.Vad` as checks of what gives one for each stream."""

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio.lowlevel
import anyio.to_thread
import numpy as np

from audio.formats import SPEECH_HZ, Samples, ms_to_samples
from audio.framing import Framer
from audio.vad import Vad
from stages.testing.cancelling import twice_at_once
from stages.testing.kit import Check

_SHORTEST_MS, _LONGEST_MS = 8, 100
_QUIET_S = 1.0
_VOICE = 0.5
"""What a detector says of speech at least, somewhere in a sentence, and of digital silence never."""
_ALIKE = 0.01
"""Two scores of the same sound may differ by so much: libraries may add in another order."""


def detector_checks(speech: Samples) -> tuple[Check[Any], ...]:
    """All checks, with a spoken sentence, `int16[n]` at 16 kHz."""
    checks = _Checks(speech)
    table: dict[str, tuple[str, Callable[[Any], Awaitable[None]]]] = {
        "declares": (f"{SPEECH_HZ} Hz, frames of {_SHORTEST_MS} to {_LONGEST_MS} ms", checks.declares),
        "hears": ("a voice in a sentence, and none in silence", checks.hears),
        "odd": ("full scale, noise, one frame of each: a number from 0 to 1", checks.odd),
        "again": ("another detector says the same of the same sound", checks.again),
        "streams": ("two streams in turns, as each alone", checks.streams),
        "threads": ("two streams at the same time in threads, as each alone", checks.threads),
        "reset": ("after `reset` as from the beginning, at any time", checks.reset),
        "keeps": ("the sound that it is given stays as it is", checks.keeps),
    }
    return tuple(Check(name, about, run) for name, (about, run) in table.items())


class _Checks:
    def __init__(self, speech: Samples) -> None:
        self._quiet = np.zeros(int(_QUIET_S * SPEECH_HZ), np.int16)
        self._said = np.concatenate((self._quiet, speech, self._quiet))

    async def declares(self, provider: Any) -> None:
        vad: Vad = provider.open()
        assert vad.rate_hz == SPEECH_HZ, f"its frames have {vad.rate_hz} Hz; the server's have {SPEECH_HZ}"
        low, high = (ms_to_samples(ms, SPEECH_HZ) for ms in (_SHORTEST_MS, _LONGEST_MS))
        size = vad.frame_samples
        assert isinstance(size, int), f"`frame_samples` is {size!r}, which is no number of samples"
        assert low <= size <= high, f"a frame of {size} samples is none of {_SHORTEST_MS} to {_LONGEST_MS} ms"
        assert size % 4 == 0, f"`frame_samples` is {size}; it must be divisible by 4"

    async def hears(self, provider: Any) -> None:
        quiet = await _scores(provider.open(), self._quiet)
        assert max(quiet) < _VOICE, f"it hears a voice in silence: {max(quiet):.2f}"
        said = await _scores(provider.open(), self._said)
        assert max(said) >= _VOICE, f"it hears no voice in a sentence: {max(said):.2f} at most"

    async def odd(self, provider: Any) -> None:
        noise = np.random.default_rng(1).integers(-32_768, 32_767, SPEECH_HZ, dtype=np.int16)
        for level in (-32_768, 32_767, 1):
            await _scores(provider.open(), np.full(SPEECH_HZ // 2, level, np.int16))
        await _scores(provider.open(), np.concatenate((noise, self._quiet, noise // 300)))

    async def again(self, provider: Any) -> None:
        await self._alone(provider)

    async def streams(self, provider: Any) -> None:
        alone = await self._alone(provider)
        one, other = provider.open(), provider.open()
        frames, found = _frames(one, self._said), list[float]()
        for mine, theirs in zip(frames, reversed(frames), strict=True):
            found.append(_checked(one.score(mine.copy())))
            _checked(other.score(theirs.copy()))
            await anyio.lowlevel.checkpoint()
        _assert_alike(found, alone, "beside another stream it says something else than alone")

    async def threads(self, provider: Any) -> None:
        alone = await self._alone(provider)

        def score() -> list[float]:
            vad = provider.open()
            return [_checked(vad.score(frame.copy())) for frame in _frames(vad, self._said)]

        async def score_there() -> list[float]:
            return await anyio.to_thread.run_sync(score)

        for found in await twice_at_once(score_there):
            _assert_alike(
                found, alone, "at the same time as another stream it says something else than alone"
            )

    async def reset(self, provider: Any) -> None:
        alone = await self._alone(provider)
        vad = provider.open()
        vad.reset()
        await _scores(vad, self._said[: len(self._said) // 2])
        vad.reset()
        _assert_alike(await _scores(vad, self._said), alone, "after `reset` it is not as from the beginning")

    async def keeps(self, provider: Any) -> None:
        vad = provider.open()
        for frame in _frames(vad, self._said):
            before = frame.copy()
            vad.score(frame)
            await anyio.lowlevel.checkpoint()
            assert (frame == before).all(), "it changes the sound that it is given"

    async def _alone(self, provider: Any) -> list[float]:
        """What it says of the sentence; always the same."""
        first = await _scores(provider.open(), self._said)
        _assert_alike(
            await _scores(provider.open(), self._said), first, "of the same sound it says another time"
        )
        return first


def _frames(vad: Vad, samples: Samples) -> list[Samples]:
    return Framer(vad.frame_samples).push(samples.copy())


async def _scores(vad: Vad, samples: Samples) -> list[float]:
    """One step a frame, so that each is timed."""
    found = []
    for frame in _frames(vad, samples):
        found.append(_checked(vad.score(frame.copy())))
        await anyio.lowlevel.checkpoint()
    return found


def _checked(score: object) -> float:
    assert isinstance(score, float | int | np.floating), f"`score` gives {score!r}, which is no number"
    value = float(score)
    assert math.isfinite(value) and 0 <= value <= 1, f"`score` gives {value}, which is not from 0 to 1"  # noqa: PT018
    return value


def _assert_alike(found: Sequence[float], expected: Sequence[float], what: str) -> None:
    farthest = max(abs(one - other) for one, other in zip(found, expected, strict=True))
    assert farthest <= _ALIKE, f"{what}: {farthest:.2f} apart"
