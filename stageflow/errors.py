"""What can go wrong in a pipeline, and whose fault it is.

StageflowError
├── PipelineBuildError, ToolDeclarationError      the author's, before anything runs
├── StageUsageError                               the author's: a stage breaks a rule
│   └── UndeclaredDependencyError, InvalidOutputError, StreamError
├── StageCancelled                                how interceptors are told that a stage was cut short
└── RunEnded                                      a run that did not complete
    ├── PipelineCancelled                         on purpose
    └── StageFailed                               a stage's or its services' fault, or time was up
        └── StageTimeout, DeadlineExceeded
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stageflow.graph import PipelineResults


class StageflowError(Exception):
    """Root of everything this package raises on purpose."""


class PipelineBuildError(StageflowError):
    """A pipeline that cannot run; `faults` has a sentence for each reason, and the message has them all."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(faults)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        return "\n- ".join((f"the pipeline has {count}:", *self.faults))


class StageUsageError(StageflowError):
    """A stage asks for what cannot be, or lacks what it requires; names stage, thing and remedy."""


class UndeclaredDependencyError(StageUsageError):
    """A stage asks for the output of a stage that is not upstream of it."""


class InvalidOutputError(StageUsageError):
    """A stage returns something that is neither a StageOutput, nor a dict, nor None."""


class StreamError(StageUsageError):
    """A stage sends into a stream, or reads one, in a way that cannot work."""


class ToolDeclarationError(StageflowError):
    """A function that cannot be declared as a tool; the message says what to change."""


class StageCancelled(StageflowError):
    """A stage was cut short, because its run ended; only interceptors are told so, and nobody raises it."""


class RunEnded(StageflowError):
    """A run that did not complete: the `stage` that ended it, what it said, and what had ended by then."""

    _deed = "failed"

    def __init__(self, stage: str, reason: str, data: Mapping[str, Any], results: "PipelineResults") -> None:
        super().__init__(stage, reason, data, results)
        self.stage, self.reason, self.data, self.results = stage, reason, data, results

    def __str__(self) -> str:
        return f"stage {self.stage!r} {self._deed}: {self.reason}"


class PipelineCancelled(RunEnded):
    """A stage returned CANCEL: the run stops on purpose."""

    _deed = "cancelled the run"


class StageFailed(RunEnded):
    """A stage failed, raised, or did not get the further try it asked for. What it raised is the `__cause__`."""

    @property
    def error(self) -> str:
        """What it said, or what it raised in words: its `reason`."""
        return self.reason


class StageTimeout(StageFailed):
    """A stage took longer than its `timeout_s`, all its attempts and their waits included."""


class DeadlineExceeded(StageFailed):
    """The run took longer than its `deadline_s`; `stage` is the first that was still running."""


def leaves(error: BaseException) -> list[BaseException]:
    """What was really raised: the error itself, or all in a group of them but cancellations that came of it."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    found = [leaf for one in error.exceptions for leaf in leaves(one)]
    return [leaf for leaf in found if isinstance(leaf, Exception)] or found


def in_words(error: BaseException) -> str:
    """What was raised, as a sentence for people; a group by what is in it."""
    told = dict.fromkeys(f"{type(one).__name__}: {one}".removesuffix(": ") for one in leaves(error))
    return "; ".join(told)
