"""What calls of providers cost and how they went: counted for the process, and noted for whoever wants to know.

A call begins when a provider is asked and has its first result, or fails. Whoever wants to know of the calls that are
made for it, such as a turn, has them noted in a list of its own, for all tasks that come of its task (`noting`).
Labels are names of the configuration; nothing that was said is kept.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any
from weakref import WeakKeyDictionary

import anyio

from stages.errors import ProviderError

BUCKETS_S = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Upper bounds of the histogram of times to the first result."""

_MOST_NOTED = 32
"""Calls of one turn that are told: its tools may call a model often."""

Key = tuple[str, str]
"""Kind and name of a provider."""

_LABELS: WeakKeyDictionary[object, Key] = WeakKeyDictionary()


@dataclass(slots=True)
class ProviderFigures:
    """All calls of one provider in this process."""

    calls: int = 0
    hedges: int = 0
    """Calls that were made beside one that was late."""
    first_counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    first_sum_s: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)
    audio_s: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0

    def first(self, seconds: float) -> None:
        """A first result came after so long."""
        self.first_counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.first_sum_s += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bounds and how many were within them, as Prometheus has it."""
        bounds = [*map(str, BUCKETS_S), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self.first_counts)), strict=True))


_FIGURES: dict[Key, ProviderFigures] = {}
_NOTES: ContextVar["list[ProviderCall] | None"] = ContextVar("provider calls", default=None)


def provider_figures() -> Mapping[Key, ProviderFigures]:
    """Of the providers that were called in this process, by kind and name."""
    return dict(_FIGURES)


def label(provider: object, kind: str, name: str) -> None:
    """Say what a provider is called; calls of others are not counted. One that cannot be referred to weakly is none."""
    try:
        _LABELS[provider] = (kind, name)
    except TypeError:
        return


def label_alike(view: object, provider: object) -> None:
    """A session's view of a provider is called as the provider is."""
    if (key := label_of(provider)) is not None:
        label(view, *key)


def label_of(provider: object) -> Key | None:
    """Kind and name of a provider; None of a chain, whose parts are counted, and of one that nobody has named."""
    try:
        return _LABELS.get(provider)
    except TypeError:
        return None


@contextmanager
def noting(notes: "list[ProviderCall]") -> Iterator[None]:
    """Note the calls that are made in this block, and in the tasks that are started in it."""
    token = _NOTES.set(notes)
    try:
        yield
    finally:
        _NOTES.reset(token)


class ProviderCall:
    """One call. Nothing is counted of it before it begins."""

    __slots__ = (
        "_audio_s",
        "_began_at",
        "_figures",
        "_key",
        "error",
        "first_s",
        "is_hedge",
        "kind",
        "provider",
    )

    def __init__(self, key: Key | None, *, is_hedge: bool = False) -> None:
        """Without a key, as of a chain whose parts are counted, nobody is told of it."""
        self.kind, self.provider = key or ("", "")
        self.is_hedge = is_hedge
        self.first_s: float | None = None
        """From its begin to its first result."""
        self.error: str | None = None
        """The kind of what went wrong."""
        self._key = key
        self._audio_s = 0.0
        self._began_at: float | None = None
        self._figures = _FIGURES.setdefault(key, ProviderFigures()) if key else ProviderFigures()

    def begins(self) -> None:
        """The provider is asked now."""
        if self._began_at is not None:
            return
        self._began_at = anyio.current_time()
        self._figures.calls += 1
        self._figures.hedges += self.is_hedge
        notes = _NOTES.get() if self._key else None
        if notes is not None and len(notes) < _MOST_NOTED:
            notes.append(self)

    def first(self) -> None:
        """A result is there; those after the first say nothing new."""
        if self.first_s is None and self._began_at is not None:
            self.first_s = anyio.current_time() - self._began_at
            self._figures.first(self.first_s)

    def failed(self, error: ProviderError) -> None:
        """It failed, maybe before it could begin. The first failure counts."""
        self.begins()
        if self.error is None:
            self.error = str(error.kind or "other")
            self._figures.errors[self.error] += 1

    def audio(self, so_far_s: float) -> None:
        """So much audio was heard or spoken since it began."""
        self._figures.audio_s += so_far_s - self._audio_s
        self._audio_s = so_far_s

    def tokens(self, usage: Any) -> None:
        """A model says what it has used (`stages.ports.Usage`)."""
        self._figures.input_tokens += usage.input_tokens
        self._figures.output_tokens += usage.output_tokens


@contextmanager
def calling(provider: object, *, at_once: bool = True) -> Iterator[ProviderCall]:
    """A call of a provider, which fails with a ProviderError that leaves the block. `at_once`: it begins here."""
    call = ProviderCall(label_of(provider))
    if at_once:
        call.begins()
    try:
        yield call
    except ProviderError as error:
        call.failed(error)
        raise
