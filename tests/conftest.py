"""What every test leaves behind: no task, no thread, no open socket or file; and it never blocks the event loop.

`tests/support/test_guards.py` shows that each of these guards fails when it should.
"""

import gc
import inspect
import sys
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial

import coverage
import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import settings

from server.client.client import RealtimeClient
from stages.testing.virtual_time import tasks_left
from tests.support.patience import PATIENCE_S, UNHURRIED

SCANNED = ("server", "stages", "stageflow", "audio")
"""Packages whose calls must not block a running event loop."""

MAY_BLOCK = (
    # Imports the client; the server makes its providers on a thread, tests may make them on their loop.
    ("stages/providers/openai/http.py", "__init__"),
    # A plug-in may block a loop of its own.
    ("stages/runtime/plug_in_loops.py", "_go_round"),
    # Tests read their recordings where they need them.
    ("tests/support/audio_maker.py", "read"),
)
"""Functions of ours that may block a loop all the same, and why."""

MAY_STAY = ("recogniser", "agent", "voice", "asyncio_", "AnyIO worker thread")
"""Beginnings of the names of threads that may outlive a test, but not its module: those of models that are
loaded once for a module, and those of the event loop, which is closed after the fixtures."""

NOT_MEASURED = ("no_cover", "hypothesis")
"""Markers of tests that try hundreds of variants of what others run; Hypothesis marks its own."""

FAREWELL_S = 1.0
"""How long a thread that has been told to end may take."""


# How long an example takes depends on how busy the machine is, so it is no reason to fail.
settings.register_profile("on a busy machine", settings(), deadline=None)
settings.load_profile("on a busy machine")


@pytest.fixture(scope="session", autouse=True)
def no_blocking() -> Iterator[BlockBuster]:
    """A blocking call of ours on a running loop raises `blockbuster.BlockingError`."""
    with blockbuster_ctx(list(SCANNED)) as guard:
        for function in guard.functions.values():
            for file, name in MAY_BLOCK:
                function.can_block_in(file, name)
        lock = guard.functions["threading.Lock.acquire"]
        lock.deactivate()
        lock.can_block_predicate = partial(_may_wait, lock.can_block_predicate)
        lock.activate()
        yield guard


def _may_wait(otherwise: Callable[..., bool], lock: threading.Lock, *how: object, **named: object) -> bool:
    """Coverage's measurement holds a lock for the moment in which it meets a file for the first time, and the threads
    that are measured wait for each other there: it is no call of ours."""
    measured = coverage.Coverage.current()
    collector = None if measured is None else measured._collector  # noqa: SLF001
    is_coverage = collector is not None and lock is collector.data_lock
    return is_coverage or otherwise(lock, *how, **named)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep what is imported and found out of the garbage collector's sight: looking through it again costs seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="module", autouse=True)
def _no_thread_outlives_its_module() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    _join(set(threading.enumerate()) - before)
    gc.collect()
    gc.freeze()  # what is kept of this module's tests, such as their reports, later ones need not look through


@pytest.fixture(autouse=True)
def servers_are_in_no_hurry(request: pytest.FixtureRequest) -> None:
    """A test on real sockets holds what comes, and not how soon it does on the machine that happens to run it."""
    if request.node.get_closest_marker("e2e"):
        patch = request.getfixturevalue("monkeypatch")
        for name, value in UNHURRIED.items():
            patch.setenv(name, value)
        patch.setattr(RealtimeClient, "patience_s", PATIENCE_S)


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a thread, or anything that warns when it is collected.

    The other fixtures of the test are closed by the time this looks. What the collector holds until the test's
    report is written, such as their values, is looked at with the next test's or the module's last.
    """
    before = set(threading.enumerate())
    collections = _collections()
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        request.getfixturevalue("no_task_is_left")
    yield
    new = set(threading.enumerate()) - before
    _join({thread for thread in new if not thread.name.startswith(MAY_STAY)})
    # Looking through what is old for every test takes longer than most tests do.
    gc.collect(1 if _collections() == collections else 2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Measure nothing of what the fixtures do that are made for what is not measured."""
    with _unmeasured(item):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Measure nothing of what is marked so: under xdist the plug-in for coverage ends one of two tracers."""
    with _unmeasured(pyfuncitem):
        return (yield)


@contextmanager
def _unmeasured(item: pytest.Item) -> Iterator[None]:
    trace = sys.gettrace()
    if trace is None or not any(map(item.get_closest_marker, NOT_MEASURED)):
        yield
        return
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(trace)


@pytest.fixture
async def no_task_is_left() -> AsyncIterator[None]:
    """Fail an async test that leaves a task. (Tests in virtual time: see `run_virtual`.)"""
    yield
    left = await tasks_left()
    assert not left, f"tasks are left: {left}"


def _collections() -> int:
    """How often things of the middle generation have become old."""
    stats: list[dict[str, int]] = gc.get_stats()
    return stats[1]["collections"]


def _join(threads: set[threading.Thread]) -> None:
    for thread in threads:
        thread.join(FAREWELL_S)
    left = [thread.name for thread in threads if thread.is_alive()]
    assert not left, f"threads are left: {left}"
