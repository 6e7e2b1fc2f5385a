"""Counts the failures of a connection and says whether another try makes sense, and when."""

from dataclasses import dataclass

from stages.errors import ProviderError
from stages.providers.sockets.faults import is_retryable


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a lost connection is made again."""

    quick_s: float = 5.0
    """A connection that lasted less has failed quickly."""
    limit: int = 3
    """So many quick failures in a row end it: a refused key or setting looks exactly like that."""
    wait_s: float = 0.25
    """Before the second try; the first follows at once, each further one waits twice as long."""
    rest_s: float = 15.0
    """For how long it is left alone once it has ended, unless the service asks for another time."""


class Failures:
    """The failures of one connection, in a row."""

    def __init__(self, policy: RetryPolicy = RetryPolicy()) -> None:
        self._policy = policy
        self._quick = 0

    def lost(self, error: ProviderError, lasted_s: float) -> float | None:
        """How long to wait before the next try; None to stop. `lasted_s` is how long it was open, 0 for never."""
        self._quick = self._quick + 1 if lasted_s < self._policy.quick_s else 0
        if not is_retryable(error) or self._quick >= self._policy.limit:
            return None
        return 0.0 if self._quick <= 1 else self._policy.wait_s * 2 ** (self._quick - 2)

    def rest_s(self, error: ProviderError) -> float:
        """For how long there is no further try after a stop; the count begins afresh then."""
        self._quick = 0
        return error.retry_after_s if error.retry_after_s is not None else self._policy.rest_s
