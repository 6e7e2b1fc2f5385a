"""Where the events of a run go: the `EventSink` protocol, and three sinks.

A run tells of its life in `StageEvent`s with these types, and one terminal event for itself and each stage that
has started; between them come the events that stages emit themselves, whose data is their own:

    pipeline.started  pipeline.completed  pipeline.failed  pipeline.cancelled
    stage.started     stage.completed     stage.failed     stage.cancelled
    stage.skipped     stage.retried       stage.overstayed

Their data has `run_id`, `stage`, `kind` and `duration_ms` (a stage's, or the run's so far), `failed` an `error`,
`skipped` and `cancelled` a `reason`, `retried` also `attempt` and `wait_s`.
"""

import inspect
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from stageflow.errors import StageUsageError
from stageflow.frozen import EMPTY, freeze_items

log = logging.getLogger(__name__)
Data = Mapping[str, Any]  # values by their names


@dataclass(frozen=True, slots=True)
class StageEvent:
    """Something that happened: a stage's own event, or one of the run's life."""

    type: str
    data: Data = EMPTY
    # Whose it is, and when it was, in milliseconds from the run's start; set by the run. Not part of what it says.
    run_id: str | None = field(default=None, compare=False)
    stage: str | None = field(default=None, compare=False)
    at_ms: float | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.data is not EMPTY:
            items = freeze_items(self.data, StageUsageError, f"the data of event {self.type!r}")
            object.__setattr__(self, "data", items)


class EventSink(Protocol):
    """Takes the events of a run as they happen."""

    def emit(self, event: StageEvent) -> None:
        """Take one event. A plain call in the middle of the run: must not block. What it raises is logged."""


def show(sink: EventSink | None, event: StageEvent) -> None:
    """Show the sink, if there is one, an event; it must not change what it observes."""
    try:
        if sink is not None:
            sink.emit(event)
    except Exception:
        log.exception("event sink failed", extra={"event": event.type})


def checked_sink(sink: EventSink | None) -> EventSink | None:
    """The sink; None if it drops everything. Raises StageUsageError if it cannot take events."""
    if sink is None or type(sink) is NoOpEventSink:
        return None
    emit = getattr(sink, "emit", None)
    is_async = inspect.iscoroutinefunction(emit)
    if isinstance(sink, type) or not callable(emit) or is_async:
        why = "its emit is async, so that events would be lost" if is_async else "it cannot take any"
        raise StageUsageError(
            f"{sink!r} is no event sink, {why}: give an object with `def emit(self, event)`"
        )
    return sink


class NoOpEventSink:
    """Drops everything; a run does not even make its events for it."""

    def emit(self, event: StageEvent) -> None:
        """Do nothing."""


@dataclass
class LoggingEventSink:
    """Writes every event to the log, its data, in which there may be words, as the field `pii.event_data`."""

    level: int = logging.INFO

    def emit(self, event: StageEvent) -> None:
        log.log(self.level, "pipeline event", extra={"event": event.type, "pii.event_data": dict(event.data)})


@dataclass
class CollectingEventSink:
    """Keeps everything, for tests."""

    events: list[StageEvent] = field(default_factory=list)

    def emit(self, event: StageEvent) -> None:
        self.events.append(event)

    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def of(self, type: str) -> list[StageEvent]:
        return [event for event in self.events if event.type == type]
