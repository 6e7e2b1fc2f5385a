"""Examines a provider: named checks one after the other, each in a watched surrounding, and what came of each.

A check raises AssertionError with what is wrong. Beside that, in every check: what a provider raises is a
`ProviderError`, it ends in time, no step of it holds the event loop longer than 5 ms, no task and no socket is left,
and no secret is in the log or in an error.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import anyio

from stages.errors import ProviderError
from stages.ports import HasSessions
from stages.testing.watching import HOLDS_AT_MOST_S, Belongings, Held, Secrets, log_heard, steps_timed

P = TypeVar("P")

_TIMES = 5
"""Who holds the loop, does so each of so many times: the first time may be an import, the next the machine."""


@dataclass(frozen=True, slots=True)
class Check(Generic[P]):
    """One thing that a provider must do."""

    name: str
    about: str
    """What is checked, in a few words."""
    run: Callable[[P], Awaitable[None]]
    may_hold: bool = False
    """Whether a step may hold the event loop: with more at once than sessions ever give."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a check; without a fault it is passed."""

    name: str
    about: str
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a provider is held to beside the checks."""

    deadline_s: float = 30.0
    """For one check, from opening the provider to having closed it."""
    secrets: Sequence[str] = ()
    """Values that may show nowhere, such as its key."""
    holds_s: float = HOLDS_AT_MOST_S
    is_provider: bool = True
    """What raises `ProviderError` and nothing else; tools and stages may raise anything."""


Opens = Callable[[], AbstractAsyncContextManager[P]]
"""Opens the provider for one check, and closes all that it has opened."""


async def examine(opens: Opens[P], checks: Sequence[Check[P]], terms: Terms = Terms()) -> list[Finding]:
    """Run all checks. Cancel-safe; belongs to one task."""
    return [Finding(check.name, check.about, await fault_of(opens, check, terms)) for check in checks]


async def fault_of(opens: Opens[P], check: Check[P], terms: Terms = Terms()) -> str:
    """What is wrong with a provider in one check; empty if nothing is."""
    secrets, held, fault = Secrets(terms.secrets), Held(), ""
    for _ in range(_TIMES):
        fault, held = await _watched(opens, check, terms, secrets)
        if fault or secrets.seen or held.longest_s <= terms.holds_s or check.may_hold:
            break
    faults = [secrets.hidden(fault)] if fault else []
    faults += [f"a secret is shown: {place}" for place in dict.fromkeys(secrets.seen)]
    if not faults and held.longest_s > terms.holds_s and not check.may_hold:
        faults.append(f"one step held the event loop for {1000 * held.longest_s:.0f} ms")
    return "; ".join(faults)


async def _watched(opens: Opens[P], check: Check[P], terms: Terms, secrets: Secrets) -> tuple[str, Held]:
    before = await Belongings.now()
    with log_heard(lambda text: secrets.look(text, "in the log")):
        fault, held = await _tried(opens, check, terms, secrets)
        if not fault and (left := await before.left_since()):
            fault = f"it leaves behind {left}"
    return fault, held


async def _tried(opens: Opens[P], check: Check[P], terms: Terms, secrets: Secrets) -> tuple[str, Held]:
    held, faults = Held(), list[str]()

    async def run() -> None:
        nonlocal held
        async with opens() as provider:
            secrets.look(repr(provider), "in its repr")
            with steps_timed() as held:
                async with anyio.create_task_group() as tasks:  # what is timed is a task

                    async def checked() -> None:
                        await check.run(provider)

                    tasks.start_soon(checked, name=f"check {check.name!r}")

    try:
        with anyio.fail_after(terms.deadline_s):
            await run()
    except TimeoutError:
        faults.append(f"it has not come to its end within {terms.deadline_s:g} s")
    except Exception as error:  # noqa: BLE001  # whatever a provider raises is the finding
        for one in _leaves(error):
            secrets.look(f"{one} {one!r}", "in an error")
            faults.append(_told(one, terms))
    return "; ".join(faults), held


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in _leaves(one)]
    return [error]


def _told(error: BaseException, terms: Terms) -> str:
    if isinstance(error, AssertionError):
        return str(error) or "an assertion failed"
    what = f"it raised {type(error).__name__}: {error}"
    is_wrong = terms.is_provider and not isinstance(error, ProviderError)
    return f"{what}; a provider raises only ProviderError" if is_wrong else what


@asynccontextmanager
async def opened(provider: Any) -> AsyncIterator[Any]:
    """A provider for one session, closed afterwards: `session()`, `close()`, or nothing, as it has it."""
    try:
        if isinstance(provider, HasSessions):
            async with provider.session() as one:
                yield one
        else:
            yield provider
    finally:
        await close(provider)


async def close(provider: Any) -> None:
    """Close what has `close()`, plain or async."""
    closing = provider.close() if hasattr(provider, "close") else None
    if inspect.isawaitable(closing):
        await closing
