"""Where the events of a run go: the `EventSink` protocol and three simple sinks. `emit` is a plain call."""

import logging
from typing import Protocol

from stageflow.core import StageEvent

log = logging.getLogger("stageflow")


class EventSink(Protocol):
    """Takes events as they happen; must not wait."""

    def emit(self, event: StageEvent) -> None:
        """Take one event."""


class NoOpEventSink:
    """Drops everything."""

    def emit(self, event: StageEvent) -> None:
        """Do nothing."""


class LoggingEventSink:
    """Writes events to the log."""

    def emit(self, event: StageEvent) -> None:
        """Log one event."""
        log.info("pipeline event", extra={"event": event.type, "data": dict(event.data)})


class CollectingEventSink:
    """Keeps everything, for tests."""

    def __init__(self) -> None:
        self.events: list[StageEvent] = []

    def emit(self, event: StageEvent) -> None:
        """Keep one event."""
        self.events.append(event)

    def types(self) -> list[str]:
        """The types of all events, in order."""
        return [event.type for event in self.events]
