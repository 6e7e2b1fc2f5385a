"""The providers of a chain in their order, and what is told of them: to their breakers, the log and the metrics."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from inspect import iscoroutinefunction
from itertools import count
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread

from stages.errors import ErrorKind, ProviderError, UnspeakableText
from stages.ports import HasSessions
from stages.providers.calls import ProviderCall
from stages.providers.failover.breaker import BreakerState, CircuitBreaker
from stages.providers.failover.hedge import LEAST_CALLS, LEAST_S, HedgeBudget

P = TypeVar("P")

log = logging.getLogger(__name__)

_LASTING = frozenset({ErrorKind.AUTH, ErrorKind.QUOTA})
"""What the next call will meet as well."""

_OF_THE_REQUEST = frozenset({ErrorKind.BAD_REQUEST, ErrorKind.BAD_AUDIO})
"""What says nothing of the provider: another request may go well."""

_LINKS: WeakValueDictionary[int, "Link[Any]"] = WeakValueDictionary()
"""In the order in which they were made: of two of a name, as after a configuration was read anew, the newer is told."""
_NUMBERS = count()
_CHANGES = Counter[tuple[str, str, str]]()


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Link(Generic[P]):
    """A provider of a chain; what is known of it is shared by all sessions."""

    kind: str
    name: str
    provider: P
    breaker: CircuitBreaker


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """How a provider of a chain does."""

    state: BreakerState
    p50_s: float | None
    p95_s: float | None
    """Time to its first result."""


def link_statistics() -> Mapping[tuple[str, str], LinkStatistics]:
    """Of the chains of this process, by kind and name of the provider."""
    return {
        (link.kind, link.name): LinkStatistics(
            link.breaker.state, link.breaker.first_result_s(0.5), link.breaker.first_result_s(0.95)
        )
        for link in tuple(_LINKS.values())
    }


def changes_over() -> Mapping[tuple[str, str, str], int]:
    """How often a call went on with another provider: by kind, the one that failed, and the one that took over."""
    return dict(_CHANGES)


class Attempt(Generic[P]):
    """A call's try of one provider. It began when it was made."""

    def __init__(self, link: Link[P], *, is_last: bool) -> None:
        self.provider = link.provider
        self.is_last = is_last
        """Nobody comes after it: it has all the time that whoever asks has."""
        self.error: ProviderError | None = None
        self.link = link
        self.call: ProviderCall | None = None
        """The newest of it."""
        self._began_at: float | None = anyio.current_time()

    def succeeded(self) -> None:
        """The first result is there. Those after it say nothing new."""
        if self.call is not None:
            self.call.first()
        if self._began_at is not None:
            self.link.breaker.succeeded(anyio.current_time() - self._began_at)
            self._began_at = None

    def begins(self, *, is_hedge: bool = False) -> ProviderCall:
        """The provider is asked now, maybe later than when it was chosen, and maybe once more."""
        self._began_at = anyio.current_time()
        self.call = ProviderCall((self.link.kind, self.link.name), is_hedge=is_hedge)
        self.call.begins()
        return self.call

    def was_late(self) -> None:
        """Another had the first result: so long it took at least, which is no failure."""
        if self._began_at is not None:
            self.link.breaker.took(anyio.current_time() - self._began_at)
            self._began_at = None

    def failed(self, error: ProviderError) -> None:
        """Note that a provider failed, or was too late."""
        self.error = error
        call = self.call or ProviderCall((self.link.kind, self.link.name))
        call.failed(error)
        if error.kind in _OF_THE_REQUEST or isinstance(error, UnspeakableText):
            return
        self.link.breaker.failed(
            anyio.current_time(), lasting=error.kind in _LASTING, retry_after_s=error.retry_after_s
        )


class Chain(Generic[P]):
    """Providers of one kind, the first choice first."""

    def __init__(self, links: Sequence[Link[P]], budget: HedgeBudget | None = None) -> None:
        self.links = tuple(links)
        self.budget = budget
        """Of hedges; None where there are to be none."""

    @classmethod
    def of(cls, kind: str, providers: Mapping[str, P], *, hedge: bool = False) -> "Chain[P]":
        """A chain of providers by their names. `hedge`: the next is asked beside one that is late."""
        links = [Link(kind, name, provider, CircuitBreaker()) for name, provider in providers.items()]
        _LINKS.update((next(_NUMBERS), link) for link in links)
        return cls(links, HedgeBudget() if hedge else None)

    def hedge_after_s(self, attempt: Attempt[P]) -> float | None:
        """When a call is later than the provider usually is; None where no other is to be asked for that."""
        usual_s = attempt.link.breaker.usual_s(LEAST_CALLS)
        if self.budget is None or attempt.is_last or usual_s is None:
            return None
        self.budget.called()
        return max(LEAST_S, usual_s)

    def hedge(self, attempt: Attempt[P]) -> Attempt[P] | None:
        """A try of the next beside one that is late, if there is one and it can be afforded. It has begun."""
        other = self.other_than(attempt)
        if other is None or self.budget is None or not self.budget.spend():
            return None
        other.begins(is_hedge=True)
        return other

    def attempts(self) -> Iterator[Attempt[P]]:
        """One after the other, for as long as each fails. Those that are left alone for now come last: to ask them is
        better than silence."""
        failed: Attempt[P] | None = None
        for number, link in enumerate(self._order(), 1):
            if failed is not None:
                _tell(failed.link, link, failed.error)
            attempt = Attempt(link, is_last=number == len(self.links))
            yield attempt
            failed = attempt

    async def opened(self, stack: AsyncExitStack) -> "Chain[P]":
        """The same for one session, with those opened that keep something open."""
        links = [replace(link, provider=await _opened(stack, link.provider)) for link in self.links]
        return Chain(links, self.budget)

    async def close(self) -> None:
        """Close those that can be closed, by their plain or async `close`."""
        for link in self.links:
            close = getattr(link.provider, "close", None)
            if iscoroutinefunction(close):
                await close()
            elif close is not None:
                await anyio.to_thread.run_sync(close)

    def _order(self) -> Iterator[Link[P]]:
        left_alone = list[Link[P]]()
        for link in self.links:
            if link.breaker.admits(anyio.current_time()):
                yield link
            else:
                left_alone.append(link)
        yield from left_alone

    def other_than(self, attempt: Attempt[P]) -> Attempt[P] | None:
        """A try of the next that may be asked, beside one that has not failed; None where there is none."""
        now = anyio.current_time()
        for link in self.links:
            if link is not attempt.link and link.breaker.admits(now):
                return Attempt(link, is_last=False)
        return None

    def tell(self, failed: Attempt[P], other: Attempt[P]) -> None:
        """Tell that one provider takes over from another."""
        _tell(failed.link, other.link, failed.error)


def _tell(failed: Link[Any], link: Link[Any], error: ProviderError | None) -> None:
    _CHANGES[link.kind, failed.name, link.name] += 1
    log.warning("%s: %s takes over from %s: %s", link.kind, link.name, failed.name, error)


async def _opened(stack: AsyncExitStack, provider: P) -> P:
    if isinstance(provider, HasSessions):
        opened: P = await stack.enter_async_context(provider.session())
        return opened
    return provider


def common_languages(several: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """What all of them do, in the order of the first that names any; "*" is any."""
    named = [languages for languages in several if "*" not in languages]
    if not named:
        return ("*",)
    return tuple(one for one in named[0] if all(one in languages for languages in named[1:]))
