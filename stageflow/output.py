"""What a stage gives back: `StageOutput`, how the stage ended, and what it made for people beside its data."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Any, Self, TypeVar

from stageflow.errors import InvalidOutputError, StageUsageError
from stageflow.events import Data, StageEvent
from stageflow.frozen import EMPTY, FrozenDict, freeze_items

T = TypeVar("T")


class StageStatus(StrEnum):
    """How a stage ended."""

    OK = "ok"
    SKIP = "skip"
    CANCEL = "cancel"
    FAIL = "fail"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class StageArtifact:
    """Something for people or files that a stage made beside its data."""

    type: str
    payload: Any = None

    def __post_init__(self) -> None:
        frozen = freeze_items({"payload": self.payload}, StageUsageError, f"artifact {self.type!r}")
        object.__setattr__(self, "payload", frozen["payload"])


@dataclass(frozen=True, slots=True)
class StageOutput:
    """What a stage gives back; nobody can change it. Raises InvalidOutputError for what cannot be one."""

    status: StageStatus
    data: Data = EMPTY
    artifacts: tuple[StageArtifact, ...] = ()
    events: tuple[StageEvent, ...] = ()
    error: str | None = None
    duration_ms: float = 0.0  # all attempts of the stage included; set by who runs it
    version: str | None = None  # the stage's attribute, if it has one: which prompt, model or code it was
    reason: str | None = None  # why it was skipped or cancelled
    after_s: float | None = None  # how long to wait before another try

    def __post_init__(self) -> None:
        if type(self.status) is not StageStatus:
            if self.status not in tuple(StageStatus):  # what nobody knows must not count as success
                known = ", ".join(StageStatus)
                raise InvalidOutputError(f"there is no status {self.status!r}; there are {known}")
            object.__setattr__(self, "status", StageStatus(self.status))
        after_s: Any = self.after_s
        if after_s is not None and not (isinstance(after_s, int | float) and after_s < inf):
            raise InvalidOutputError(f"after_s is {after_s!r}; it must be a number of seconds with an end")
        if type(self.data) is not FrozenDict:  # that of another output has been checked there
            data = self.data if type(self.data) is dict else _mapping(self.data)
            object.__setattr__(self, "data", freeze_items(data, InvalidOutputError, "the data"))

    @classmethod
    def ok(cls, data: Data | None = None, /, **values: Any) -> Self:
        """Success. `data`, also by keyword, and the keywords are merged; artifacts and events go to their fields."""
        if data is None and isinstance(values.get("data"), Mapping):
            data = values.pop("data")
        merged = {**_mapping(data), **values} if data else values
        artifacts = _taken(merged, "artifacts", StageArtifact) if "artifacts" in merged else ()
        events = _taken(merged, "events", StageEvent) if "events" in merged else ()
        return cls(StageStatus.OK, merged, artifacts, events)

    @classmethod
    def skip(cls, reason: str = "", data: Data | None = None) -> Self:
        """There was nothing to do; not an error. Dependants run, and see it."""
        return cls(StageStatus.SKIP, data or {}, reason=reason)

    @classmethod
    def cancel(cls, reason: str = "", data: Data | None = None) -> Self:
        """Stop the whole run on purpose; not an error."""
        return cls(StageStatus.CANCEL, data or {}, reason=reason)

    @classmethod
    def fail(cls, error: str = "", data: Data | None = None) -> Self:
        """The stage failed, and with it the run."""
        return cls(StageStatus.FAIL, data or {}, error=error or "it failed, and did not say why")

    @classmethod
    def retry(cls, error: str = "", data: Data | None = None, after_s: float | None = None) -> Self:
        """Another try may succeed, after `after_s` seconds if given. Needs a retry policy to be obeyed."""
        return cls(StageStatus.RETRY, data or {}, error=error, after_s=after_s)


def _mapping(data: object) -> Mapping[str, Any]:
    """What a stage gives as its data. Raises InvalidOutputError."""
    if data is None or data is ...:  # `ok(...)` is how examples leave the data out
        return {}
    if not isinstance(data, Mapping):
        raise InvalidOutputError(f"the data is {data!r} ({type(data).__name__}): give a dict, or keywords")
    return data


def _taken(values: dict[str, Any], key: str, kind: type[T]) -> tuple[T, ...]:
    """The values under `key` if they are of that kind; whatever else is there stays data."""
    given = values[key]
    if isinstance(given, list | tuple) and given and all(isinstance(item, kind) for item in given):
        return tuple(values.pop(key))
    return ()
