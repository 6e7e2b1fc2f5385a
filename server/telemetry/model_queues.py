"""How long somebody who asks would wait for the models: for the calls that wait, and for those that come. Pure.

An answer passes one model after the other (whether the turn is over, what was said, the voice). Each does one call at
a time, so that the last of `n` calls waits for the rest of the call that runs and for `n - 1` times the model's *pace*:
how long a call takes that somebody waits for in silence, as those did that were made last. The longest of these is to
come:

| wait       | for                                                                                                |
| ---------- | -------------------------------------------------------------------------------------------------- |
| now        | the calls that wait and are waited for (`WorkerStatistics.pressing`), of all models together: each |
|            | person waits for one after the other                                                               |
| soon       | those, and one for each session that is about to ask. The models work side by side, each by itself |
|            | and all of them on the process's cores: what takes longest of these; less `SOON_S`, since it is    |
|            | not yet. Of several models of one name, which speak or hear different languages, a session asks    |
|            | one: they are shared out as the last calls were                                                    |
| afterwards | all calls that wait for one model, further sentences and audio that is read ahead among them; less |
|            | `AHEAD_S`, since there is time                                                                     |

What must refuse nobody:

| what                                 | why it does not                                                              |
| ------------------------------------ | ---------------------------------------------------------------------------- |
| a machine that starts                | a model has no pace before its second call                                   |
| a model that warms up, one slow call | the pace is the median of some calls; of two, the shorter                    |
| a long utterance that is read        | who waits behind it counts, and it does not, until it has taken `STALLED_S`  |
| one caller, however slow the model   | the last of one call waits for nobody                                        |
| a model that stood in for another    | who is about to ask does not count for a model that has had no call, while   |
|                                      | others were about to ask, for `UNUSED_LOOKS`: they ask others                |
| models on other machines             | they have no worker here, and none that is scripted has                      |

A model that has stalled is noticed by the call that runs: it has taken `STALLED_S`, and several times the pace, while
others wait for it.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import repeat

from stages.runtime.worker_counts import WorkerStatistics

Worker = tuple[str, int]
"""What it is for, and a number of its own: see `stages.runtime.worker.each_worker`."""

SOON_S = 1.0
"""What is done of it until they ask: people who speak at the same time do not end at the same time."""

AHEAD_S = 2.0
"""About what is left to say of an answer when its next sentence is asked for."""

STALLED_S, STALLED_PACES = 5.0, 4.0
WARMING_S = 20.0
"""In place of `STALLED_S` as long as there is no pace."""

UNUSED_LOOKS = 300
"""Half a minute in which somebody was about to ask. Time in which nobody was does not count: who comes next asks those
that were asked last."""

SHARED_CALLS = 32
"""Calls of all models of one name, by which those who are about to ask are shared out among them."""

CALLS = 7
"""Of which a pace is the median: some seconds of a model that has much to do."""


@dataclass(slots=True)
class CallPace:
    """How long a call takes, as long as the last ones did; 0 as long as it is not known."""

    _calls: int = 0
    _spent_s: float = 0.0
    _last: deque[float] = field(default_factory=lambda: deque(maxlen=CALLS))

    def note(self, calls: int, spent_s: float) -> int:
        """So many calls were made until now, and so much time was spent on them; how many were made since."""
        if new := calls - self._calls:
            self._last.append((spent_s - self._spent_s) / new)
        self._calls, self._spent_s = calls, spent_s
        return new

    @property
    def s(self) -> float:
        """The median; of an even number the lower one."""
        known = sorted(self._last)
        return known[(len(known) - 1) // 2] if len(known) > 1 else 0.0


@dataclass(slots=True)
class _Model:
    """How long the last call waits: of those that are waited for, these and those that are about to come, and all."""

    now_s: float = 0.0
    soon_s: float = 0.0
    afterwards_s: float = 0.0
    coming: float = 0.0
    """Calls that are waited for, and those that are about to come."""
    pace_s: float = 0.0
    rest_s: float = 0.0
    """What the one that runs takes yet, if there are any."""
    _pressing: CallPace = field(default_factory=CallPace)
    _all: CallPace = field(default_factory=CallPace)
    _unused_looks: int = 0

    def note(self, figures: WorkerStatistics, asking: int) -> int:
        """How many calls were made since the last look."""
        self._pressing.note(figures.pressed, figures.pressed_s)
        new = self._all.note(figures.computed, figures.computed_s)
        is_used = new or figures.running or figures.waiting
        self._unused_looks = 0 if is_used else self._unused_looks + (asking > 0)
        return new

    def look(self, figures: WorkerStatistics, asking: float) -> None:
        if self._unused_looks >= UNUSED_LOOKS:
            asking = 0.0
        pace_s = self._pressing.s
        rest_s = max(0.0, pace_s - figures.running_s) if figures.running else 0.0
        has_stalled = figures.running_s > (max(STALLED_S, STALLED_PACES * pace_s) if pace_s else WARMING_S)
        self.now_s = _last_of(figures.pressing, pace_s, figures.running_s if has_stalled else rest_s)
        self.coming, self.pace_s = figures.pressing + asking, pace_s
        self.rest_s = rest_s if self.coming else 0.0
        self.soon_s = _last_of(self.coming, pace_s, rest_s)
        self.afterwards_s = _last_of(figures.waiting, self._all.s, rest_s)


@dataclass(slots=True)
class ModelQueues:
    """The models of one process, looked at again and again, which has so many `cores`."""

    cores: float
    wait_s: float = 0.0
    """How long somebody who asks would wait for all of them, as it was at the last look."""
    _models: dict[Worker, _Model] = field(default_factory=dict)
    _called: dict[str, deque[Worker]] = field(default_factory=dict)
    """By whom the last calls of each name were done."""

    def look(self, workers: Mapping[Worker, WorkerStatistics], asking: int) -> float:
        """How long somebody would wait; `asking` sessions are about to ask."""
        self._models = {worker: self._models.get(worker) or _Model() for worker in workers}
        for worker, figures in workers.items():
            new = self._models[worker].note(figures, asking)
            called = self._called.setdefault(worker[0], deque(maxlen=SHARED_CALLS))
            called.extend(repeat(worker, min(new, SHARED_CALLS)))
        self.wait_s = self.forecast_s(workers, asking)
        return self.wait_s

    def forecast_s(self, workers: Mapping[Worker, WorkerStatistics], asking: int) -> float:
        """How long somebody would wait if so many sessions were about to ask, as the last look has the models."""
        for worker, model in self._models.items():
            if (figures := workers.get(worker)) is not None:
                model.look(figures, asking * self._share(worker))
        models = self._models.values()
        soon_s = max(self._cores_s(), *(model.soon_s for model in models), 0.0) - SOON_S
        afterwards_s = max((model.afterwards_s for model in models), default=0.0) - AHEAD_S
        return max(0.0, sum(self.waits_s().values()), soon_s, afterwards_s)

    def waits_s(self) -> dict[str, float]:
        """How long those who wait now do so for each model, by its name. Of several of one name that is the one which
        has most to do: an answer needs one of them."""
        found: dict[str, float] = {}
        for (name, _), model in self._models.items():
            found[name] = max(model.now_s, found.get(name, 0.0))
        return found

    def _share(self, worker: Worker) -> float:
        """Of those who are about to ask, how many ask this one."""
        called = self._called[worker[0]]
        known = sum(other in self._models for other in called)
        return called.count(worker) / known if known else 0.0

    def _cores_s(self) -> float:
        """How long the cores take for all models, until it is the last one's turn that is about to ask each."""
        took_s = 0.0
        for name in self._called:
            models = [model for (of, _), model in self._models.items() if of == name]
            calls = sum(model.coming for model in models)
            pace_s = sum(model.coming * model.pace_s for model in models) / calls if calls else 0.0
            took_s += sum(model.rest_s for model in models) + max(0.0, calls - 1) * pace_s
        return took_s / self.cores


def _last_of(calls: float, pace_s: float, rest_s: float) -> float:
    """How long the last of so many calls waits, where the one that runs takes `rest_s` yet."""
    return rest_s + max(0.0, calls - 1) * pace_s if calls else 0.0
