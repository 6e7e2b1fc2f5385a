"""A speech detector and an end-of-turn model that are right, and each of them with one fault at a time.

They judge by loudness. Not collected by itself.
"""

import logging
import math
import socket
import threading
import time
from asyncio import TimerHandle, get_running_loop
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from audio.formats import SPEECH_HZ, Samples
from tests.stages.testing.mutants import KEY, Faulty

FRAME = SPEECH_HZ // 50
log = logging.getLogger("acme")
_kept: list[Any] = []


def _hold(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


class _Listening(Faulty):
    """What both may have wrong."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({KEY if self.has('shows its key in its repr') else ''})"

    def opened(self) -> None:
        if self.has("logs its key"):
            log.info("opened with %s", KEY)
        if self.has("blocks when it is opened"):
            _hold(0.02)
        if self.has("leaves a socket"):
            _kept.append(socket.socket())
        if self.has("leaves a task"):
            _kept.append(get_running_loop().create_task(_for_ever(), name="for ever"))
        if self.has("raises what no provider raises"):
            raise KeyError("model")


async def _for_ever() -> None:
    await get_running_loop().create_future()


class Detector(_Listening):
    """Gives a detector for each stream: loudness, and what was loud before."""

    def __init__(self, fault: str = "", *, is_down: bool = False) -> None:
        super().__init__(fault, is_down=is_down)
        self.shared = np.zeros(1)
        self.chance = np.random.default_rng()

    def open(self) -> "_Stream":
        self.opened()
        return _Stream(self)


class _Stream:
    def __init__(self, owner: Detector) -> None:
        self._owner = owner
        self._has = owner.has
        self.rate_hz = 8_000 if self._has("listens at another rate") else SPEECH_HZ
        sizes = {"takes frames of seconds": 2 * SPEECH_HZ, "takes no whole frames": 161, "takes samples": 4}
        self.frame_samples: Any = sizes.get(owner.fault, FRAME)
        if self._has("does not know its frames"):
            self.frame_samples = None
        self._past = owner.shared if self._has("has one memory for all streams") else np.zeros(1)
        self._scored = 0

    def score(self, frame: Samples) -> Any:
        self._scored += 1
        has = self._has
        if has("holds the loop"):
            _hold(0.008)
        if has("fails in silence"):
            math.log(float(np.abs(frame).max()))
        loud = float(np.abs(frame.astype(np.float32)).max()) / 32_768
        if has("changes what it hears"):
            frame //= 2
        if has("mixes threads"):
            self._owner.shared[0] = loud
            _give_way()
            loud = float(self._owner.shared[0])
        self._past[0] = 0.5 * self._past[0] + 0.5 * min(1.0, 8 * loud)
        score = float(self._past[0])
        odd: dict[str, Any] = {
            "goes beyond 1": 8 * loud,
            "is deaf": 0.1 * score,
            "hears a voice in silence": 0.5 + score / 2,
            "guesses": float(self._owner.chance.random()),
            "says so in words": "speech" if score > 0.5 else "silence",
            "says nothing": None,
            "gives no number in a pause": score or math.nan,
        }
        return odd.get(self._owner.fault, score)

    def reset(self) -> None:
        if self._has("cannot be reset before it has heard") and not self._scored:
            raise RuntimeError("nothing to reset")
        if not self._has("does not forget"):
            self._past[0] = 0


def _give_way() -> None:
    time.sleep(0.0002)  # noqa: TID251  # another thread comes in between


class Ends(_Listening):
    """Says after 10 ms how quiet the end of what it was asked about is."""

    def __init__(self, fault: str = "", *, is_down: bool = False) -> None:
        super().__init__(fault, is_down=is_down)
        self.newest: Callable[[float], None] | None = None

    def open(self, on_probability: Callable[[float], None]) -> "_Questions":
        self.opened()
        return _Questions(self, on_probability)


class _Questions:
    def __init__(self, owner: Ends, tell: Callable[[float], None]) -> None:
        self._owner, self._has, self._tell = owner, owner.has, tell
        owner.newest = tell
        self._timers: list[TimerHandle] = []
        self._asked = self._closed = 0
        self._was_dropped = False

    def ask(self, samples: Samples) -> None:
        has = self._has
        self._asked += 1
        if has("blocks when it is asked"):
            _hold(0.02)
        if has("fails without samples"):
            float(samples[-1])
        if has("fails where there is much") and len(samples) > 60 * SPEECH_HZ:
            raise RuntimeError("too long")
        if has("changes what it hears"):
            samples //= 2
        if not has("answers the question before the newest"):
            self._stop()
        is_mute = has("answers once") and self._asked > 1
        if is_mute or has("never answers") or (has("is silent after a drop") and self._was_dropped):
            return
        tail = samples[-SPEECH_HZ // 10 :].astype(np.float32)
        loud = float(np.abs(tail).mean()) / 32_768 if len(tail) else 0.0
        for number in range(2 if has("answers twice") else 1):
            self._timers.append(get_running_loop().call_later(0.01 + number / 100, self._answer, 1 - loud))

    def _answer(self, value: Any) -> None:
        has, tell = self._has, self._tell
        odd: dict[str, Any] = {
            "answers in percent": 100 * value,
            "answers below 0": -value,
            "answers no number": math.nan,
            "answers in words": "finished",
            "answers nothing": None,
        }
        value = odd.get(self._owner.fault, value)
        if has("answers the wrong session") and self._owner.newest is not None:
            tell = self._owner.newest
        if has("answers in another thread"):
            thread = threading.Thread(target=tell, args=(value,))
            thread.start()
            thread.join()
        else:
            tell(value)

    def drop(self) -> None:
        if self._has("fails where there is nothing to drop") and not self._timers:
            raise RuntimeError("nothing to drop")
        self._was_dropped = self._asked > 1
        if not self._has("answers what was withdrawn"):
            self._stop()

    def close(self) -> None:
        self._closed += 1
        if self._has("cannot be closed twice") and self._closed > 1:
            raise RuntimeError("closed already")
        if not self._has("answers after it was closed"):
            self._stop()

    def _stop(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()


_BOTH = (
    "shows its key in its repr",
    "logs its key",
    "blocks when it is opened",
    "leaves a socket",
    "leaves a task",
    "raises what no provider raises",
    "changes what it hears",
)
LISTENING_FAULTS: dict[type[Faulty], Sequence[str]] = {
    Detector: (
        *_BOTH,
        "listens at another rate",
        "takes frames of seconds",
        "takes no whole frames",
        "takes samples",
        "does not know its frames",
        "has one memory for all streams",
        "holds the loop",
        "fails in silence",
        "goes beyond 1",
        "mixes threads",
        "is deaf",
        "hears a voice in silence",
        "guesses",
        "says so in words",
        "says nothing",
        "gives no number in a pause",
        "cannot be reset before it has heard",
        "does not forget",
    ),
    Ends: (
        *_BOTH,
        "blocks when it is asked",
        "fails without samples",
        "fails where there is much",
        "answers the question before the newest",
        "answers once",
        "never answers",
        "is silent after a drop",
        "answers twice",
        "answers in percent",
        "answers below 0",
        "answers no number",
        "answers in words",
        "answers nothing",
        "answers the wrong session",
        "answers in another thread",
        "fails where there is nothing to drop",
        "answers what was withdrawn",
        "cannot be closed twice",
        "answers after it was closed",
    ),
}
