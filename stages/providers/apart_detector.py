"""Runs a speech detector on event loops of its own: one that blocks keeps only its own session waiting.

A detector is asked for every window of every session's sound. Those of somebody else's are asked in batches, on one of
a few loops in threads: a session has one batch there at a time, and what has come by then is the next. Sessions do not
wait for each other as long as one of the loops is free; otherwise the first that is free takes the batch that has
waited longest, which is not the fault of the detector whose batch it is. The scores come back to the session's loop in
order (`audio.late_listener`). Who fails, or does not answer for too long, is named in the log, and WebRTC's detector
hears the rest of that session.
"""

import asyncio
import inspect
import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio

from audio.formats import Samples
from audio.framing import Framer
from audio.vad import LateVad, Vad, WebRtcVad
from stages.runtime.contexts import context_of_task
from stages.runtime.plug_in_loops import Apart, contained, path_of

log = logging.getLogger(__name__)

LANES = 4
"""So many sessions' detectors may block at once before others wait for them."""
PATIENCE_S = 2.0
"""A batch that is with its detector for so long gets no scores: long enough for a model that is loaded for the first of
them. So does one that waits for a loop while none has been free for so long."""

Tell = Callable[[Sequence[float]], None]


class DetectorApart:
    """A speech detector on loops of its own. Made in a thread: the first of its detectors is opened at once."""

    def __init__(self, provider: Any, patience_s: float = PATIENCE_S) -> None:
        self.runs = provider
        """What it is that runs apart."""
        first: Vad = provider.open()
        self._of_streams = (first.rate_hz, first.frame_samples)
        self.lanes = Lanes(path_of(provider), patience_s)

    def open(self) -> LateVad:
        """A detector for one stream."""
        return StreamApart(self.runs, self.lanes, *self._of_streams)

    async def close(self) -> None:
        """Close the provider, and end the loops and their threads."""
        first, *others = self.lanes.loops
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first.close, partial(closed, self.runs))
            for lane in others:
                tasks.start_soon(lane.close)


class Lanes:
    """The loops, and the streams that have a batch and wait for one of them; at most one entry an open stream."""

    def __init__(self, name: str, patience_s: float) -> None:
        self.patience_s = patience_s
        self.loops = [_Lane(name, self._go_on) for _ in range(LANES)]
        self.due = deque["StreamApart"]()
        """Who waits, longest first."""
        self.taken_at_s = -math.inf
        """When one of them has last taken a batch."""

    def serve(self, stream: "StreamApart") -> None:
        """Have the batch of a stream scored, at once or by the first of them that is free."""
        self.due.append(stream)
        self._go_on()

    def forget(self, stream: "StreamApart") -> None:
        """Forget a stream that waits for no scores any more."""
        with suppress(ValueError):
            self.due.remove(stream)

    def _go_on(self) -> None:
        for lane in self.loops:
            if not lane.calls and self.due:
                self.due.popleft().begin(lane)
                self.taken_at_s = asyncio.get_running_loop().time()


class _Lane(Apart):
    """A loop that says when it is free again."""

    def __init__(self, name: str, freed: Callable[[], None]) -> None:
        super().__init__(name)
        self._freed = freed

    def _returned(self) -> None:
        super()._returned()
        self._freed()


async def closed(provider: Any) -> None:
    """Close what has `close()`, plain or async."""
    closing = provider.close() if hasattr(provider, "close") else None
    if inspect.isawaitable(closing):
        await closing


@dataclass(frozen=True, slots=True)
class _Question:
    frames: Sequence[Samples]
    tell: Tell
    resets: bool
    """Whether another stream begins with it."""


class StreamApart:
    """What hears one session; implements `audio.vad.LateVad`."""

    def __init__(self, provider: Any, lanes: Lanes, rate_hz: int, frame_samples: int) -> None:
        self.rate_hz = rate_hz
        self.frame_samples = frame_samples
        self._provider = provider
        self._lanes = lanes
        self._ours = asyncio.get_running_loop()
        self._context = context_of_task()
        """Of who asked last: where this is opened, the session has not begun."""
        self._waiting: list[_Question] = []
        self._asked: list[_Question] = []
        """The batch that is there, or is to go there."""
        self._begun_at_s = math.inf
        """Since when it is there."""
        self._resets = False
        self._inner: Any = None
        """Only touched there."""
        self._instead: InsteadVad | None = None
        """What hears the rest, here."""

    def ask(self, frames: Sequence[Samples], tell: Tell) -> None:
        """See `LateVad.ask`."""
        question = _Question(frames, tell, self._resets)
        self._resets = False
        self._context = context_of_task()
        if self._instead is not None:
            self._ours.call_soon(_answer, self._instead, [question], context=self._context)
            return
        self._waiting.append(question)
        if not self._asked:
            self._send()
        elif complaint := self._late(self._ours.time() - self._lanes.patience_s):
            log.warning("%s %s for %.0f s", self._name, complaint, self._lanes.patience_s)
            self._do_without()

    def reset(self) -> None:
        """See `LateVad.reset`."""
        self._resets = True

    def close(self) -> None:
        """See `LateVad.close`."""
        self._waiting, self._asked = [], []
        self._lanes.forget(self)

    @property
    def _name(self) -> str:
        return path_of(self._provider)

    def begin(self, lane: Apart) -> None:
        """Have the batch scored there."""
        self._begun_at_s = self._ours.time()
        # In a context of its own: another session may have it begun, and it may be begun in this one.
        self._context.copy().run(lane.call, self._score, self._asked)

    def _send(self) -> None:
        self._asked, self._waiting = self._waiting, []
        self._begun_at_s = math.inf
        self._lanes.serve(self)

    def _late(self, since_s: float) -> str:
        """What there is to complain of, if nothing has come of the batch since then."""
        if self._begun_at_s < since_s:
            return "has not answered"
        is_there = self._begun_at_s < math.inf
        return "" if is_there or self._lanes.taken_at_s >= since_s else "holds all of its event loops"

    def _do_without(self) -> None:
        log.warning("WebRTC's detector hears the rest of this session instead of %s", self._name)
        self._instead = InsteadVad(self.frame_samples)
        unheard, self._asked, self._waiting = [*self._asked, *self._waiting], [], []
        self._lanes.forget(self)
        self._ours.call_soon(_answer, self._instead, unheard, context=self._context)

    def _scored(self, batch: list[_Question], scores: Sequence[Sequence[float]]) -> None:
        if batch is not self._asked:
            return
        self._asked = []
        if self._waiting:
            self._send()
        for question, told in zip(batch, scores, strict=True):
            _tell(question, told)

    def _failed(self, batch: list[_Question]) -> None:
        if batch is self._asked:
            self._do_without()

    # --- there ---------------------------------------------------------------------------------------------

    def _score(self, batch: list[_Question]) -> None:
        try:
            with contained():
                scores = [self._scores(question) for question in batch]
        except Exception:
            log.exception("%s failed", self._name)
            self._here(self._failed, batch)
        else:
            self._here(self._scored, batch, scores)

    def _scores(self, question: _Question) -> list[float]:
        if self._inner is None:
            self._inner = self._provider.open()
        elif question.resets:
            self._inner.reset()
        return [float(self._inner.score(frame.copy())) for frame in question.frames]

    def _here(self, call: Callable[..., None], *values: Any) -> None:
        with suppress(RuntimeError):  # our loop is closed already
            self._ours.call_soon_threadsafe(call, *values, context=self._context)


class InsteadVad:
    """WebRTC's detector for windows of another one's length: a window has the highest score of what ends in it."""

    def __init__(self, frame_samples: int) -> None:
        self._vad = WebRtcVad()
        self._framer = Framer(self._vad.frame_samples)
        self._score = 0.0
        self.frame_samples = frame_samples

    def score(self, frame: Samples) -> float:
        """See `audio.vad.Vad.score`."""
        scores = [self._vad.score(one) for one in self._framer.push(frame)]
        self._score = max(scores, default=self._score)
        return self._score


def _answer(vad: InsteadVad, questions: Sequence[_Question]) -> None:
    for question in questions:
        _tell(question, [vad.score(frame) for frame in question.frames])


def _tell(question: _Question, scores: Sequence[float]) -> None:
    """What fails by it must not keep the scores of later frames, which would be taken for theirs, from being told."""
    try:
        question.tell(scores)
    except Exception:
        log.exception("what came of a detector's scores failed")
