"""The recogniser of a chain that finds the ends of turns: whether its stream fails is known to its breaker."""

from collections.abc import Callable
from typing import Any

import anyio

from audio.formats import Samples
from stages.errors import ErrorKind, ProviderError
from stages.ports import SpeechHints, TurnEvent, TurnOver, TurnRecogniser, TurnsFailed, TurnStream
from stages.providers.failover.chain import Link


class WatchedTurns:
    """A `TurnRecogniser` that is asked nothing while its breaker is open."""

    def __init__(self, turns: TurnRecogniser, link: Link[Any]) -> None:
        self._turns = turns
        self._link = link

    @property
    def rate_hz(self) -> int:
        """The sample rate that `push` expects."""
        return self._turns.rate_hz

    def open_turns(
        self, on_event: Callable[[TurnEvent], None], *, hints: SpeechHints = SpeechHints()
    ) -> TurnStream:
        """Begin a session's audio; while the provider is left alone, it fails with its first audio."""
        breaker = self._link.breaker
        if not breaker.admits(anyio.current_time()):
            return _LeftAlone(on_event, self._link.name)

        def watch(event: TurnEvent) -> None:
            if isinstance(event, TurnsFailed):
                breaker.failed(anyio.current_time(), lasting=True)
            elif isinstance(event, TurnOver):
                breaker.succeeded()
            on_event(event)

        return self._turns.open_turns(watch, hints=hints)


class _LeftAlone:
    """A stream that did not begin."""

    def __init__(self, on_event: Callable[[TurnEvent], None], name: str) -> None:
        self._on_event: Callable[[TurnEvent], None] | None = on_event
        self._name = name

    def push(self, samples: Samples) -> None:
        """Tell once that the stream did not begin."""
        on_event, self._on_event = self._on_event, None
        if on_event is not None:
            error = ProviderError(f"{self._name} has failed, and is left alone", kind=ErrorKind.NETWORK)
            on_event(TurnsFailed(error))

    def end_turn(self) -> None:
        """Do nothing: there is no turn to end."""

    def close(self) -> None:
        """Nothing is said afterwards."""
        self._on_event = None
