"""A plug-in's speech detector is asked elsewhere: when it blocks, fails or is never done, only its session notices."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import numpy as np
import pytest

from audio.formats import Samples
from audio.vad import LateVad
from stages.providers.apart_detector import LANES, DetectorApart
from stages.providers.configured import configure
from stages.providers.registry import provider_of
from stages.runtime.lines import caller, calls_of
from stages.runtime.plug_in_loops import loops_apart, path_of
from tests.support.patience import PATIENCE_S

SIZE = 512


class Level:
    """Says how loud a window is: a thousandth of its first sample. What it is told by the sample, it does."""

    rate_hz = 16_000
    frame_samples = SIZE

    def __init__(self, owner: "Levels") -> None:
        self._owner = owner
        self._windows = 0

    def score(self, frame: Samples) -> float:
        value = int(frame[0])
        if value in (BLOCKS, BLOCKS_LONGER):
            self._owner.blocked.release()
            assert (self._owner.let_go if value == BLOCKS else self._owner.let_go_later).wait(30)
        if value == FAILS:
            raise KeyError("of the detector")
        if value == ENDS:
            raise SystemExit(3)
        frame[:] = 0  # which is its own affair
        self._windows += 1
        self._owner.callers.append(caller())
        self._owner.noted.append((threading.current_thread().name, self._windows))
        return value / 1000

    def reset(self) -> None:
        self._windows = 0


BLOCKS, FAILS, ENDS, BLOCKS_LONGER = -1, -2, -3, -4


class Levels:
    """A plug-in's detector."""

    interface = 1

    def __init__(self) -> None:
        self.blocked = threading.Semaphore(0)
        self.let_go, self.let_go_later = threading.Event(), threading.Event()
        self.noted: list[tuple[str, int]] = []
        self.callers: list[str] = []
        self.closed_in: list[str] = []

    def open(self) -> Level:
        return Level(self)

    async def close(self) -> None:
        self.closed_in.append(threading.current_thread().name)


class Stream:
    """One session's."""

    def __init__(self, vad: LateVad, on_told: Callable[[], object] = lambda: None) -> None:
        self.vad = vad
        self.callers = set[str]()
        self._on_told = on_told
        self.told: list[float] = []
        self.frames: list[Samples] = []
        self._came = anyio.Event()

    def ask(self, *values: int) -> None:
        frames = [np.full(SIZE, value, np.int16) for value in values]
        self.frames += frames
        self.vad.ask(frames, self._tell)

    def _tell(self, scores: Sequence[float]) -> None:
        self._on_told()
        self.callers.add(caller())
        self.told += scores
        self._came.set()

    async def all_told(self) -> list[float]:
        with anyio.fail_after(PATIENCE_S):
            while len(self.told) < len(self.frames):
                self._came = anyio.Event()
                await self._came.wait()
        return self.told


@asynccontextmanager
async def levels(**how: float) -> AsyncIterator[tuple[Levels, DetectorApart]]:
    inner = Levels()
    provider = DetectorApart(inner, **how)
    try:
        yield inner, provider
    finally:
        inner.let_go.set()
        inner.let_go_later.set()
        await provider.close()


async def hold_all(inner: Levels, provider: DetectorApart) -> list[Stream]:
    """Sessions that hold all loops."""
    streams = [Stream(provider.open()) for _ in range(LANES)]
    for stream in streams:
        stream.ask(BLOCKS)
        await anyio.to_thread.run_sync(inner.blocked.acquire)
    return streams


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Has so many seconds pass on the clock of the loop."""
    passed_s = [0.0]

    def let(seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if not passed_s[0]:
            time = loop.time
            monkeypatch.setattr(loop, "time", lambda: time() + passed_s[0])
        passed_s[0] += seconds

    return let


async def test_scores_are_told_in_the_name_of_who_asks_and_not_of_who_opened_it() -> None:
    async with levels() as (inner, provider):
        streams = [Stream(provider.open()) for _ in range(LANES + 1)]
        for number, stream in enumerate(streams):
            with calls_of(f"session {number}"):
                stream.ask(BLOCKS)
            if number < LANES:
                await anyio.to_thread.run_sync(inner.blocked.acquire)
        inner.let_go.set()
        for number, stream in enumerate(streams):
            await stream.all_told()
            assert stream.callers == {f"session {number}"}
    assert set(inner.callers) == {f"session {number}" for number in range(LANES + 1)}, "also where it waited"


def test_what_scores_are_told_may_make_a_scope_in_a_program_of_asyncio() -> None:
    made = list[anyio.CancelScope]()

    async def main() -> None:
        async with levels() as (_, provider):
            stream = Stream(provider.open(), on_told=lambda: made.append(anyio.CancelScope()))
            stream.ask(1)
            await stream.all_told()

    asyncio.run(main())
    assert len(made) == 1


def test_a_plug_in_is_asked_elsewhere_unless_it_says_otherwise() -> None:
    class Here(Levels):
        apart = False

    for made_by, kind in ((Levels, DetectorApart), (Here, Here)):
        made, faults = configure(provider_of("vad", made_by), {}, {})
        assert made is not None, faults
        provider = made.make()
        assert isinstance(provider, kind)
        if isinstance(provider, DetectorApart):
            anyio.run(provider.close)


async def test_scores_come_in_order_and_the_sound_stays_as_it_is() -> None:
    async with levels() as (inner, provider):
        stream = Stream(provider.open())
        for value in range(1, 21):
            stream.ask(value, value + 1)
        await stream.all_told()
    assert stream.told == [one / 1000 for value in range(1, 21) for one in (value, value + 1)]
    assert all(frame.all() for frame in stream.frames)
    assert all(name.startswith("loop of ") for name, _ in inner.noted)


async def test_who_blocks_keeps_neither_our_loop_nor_other_sessions_waiting() -> None:
    async with levels() as (inner, provider):
        blocking = [Stream(provider.open()) for _ in range(LANES - 1)]
        for stream in blocking:
            stream.ask(BLOCKS)
            await anyio.to_thread.run_sync(inner.blocked.acquire)
            stream.ask(5)
        other = Stream(provider.open())
        other.ask(1, 2)
        assert await other.all_told() == [0.001, 0.002]
        assert [stream.told for stream in blocking] == [[]] * len(blocking)
        with anyio.fail_after(PATIENCE_S):
            while sum(loop.calls for loop in loops_apart() if loop.name == path_of(inner)) > len(blocking):  # noqa: ASYNC110
                await anyio.sleep(0.001)  # that it has returned is told after its scores
        calls = [loop.calls for loop in loops_apart() if loop.name == path_of(inner)]
        assert sorted(calls) == [0] + [1] * len(blocking), "whoever holds one of them is looked for"
        inner.let_go.set()
        for stream in blocking:
            assert await stream.all_told() == [-0.001, 0.005]


@pytest.mark.parametrize(
    ("value", "what"), [(FAILS, "of the detector"), (ENDS, "would have ended the process")]
)
async def test_who_fails_is_named_and_another_detector_hears_the_rest(
    value: int, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with levels() as (_, provider):
        stream, other = Stream(provider.open()), Stream(provider.open())
        stream.ask(3)
        await stream.all_told()
        stream.ask(value, 0)
        stream.ask(0)
        other.ask(4)
        assert await stream.all_told() == [0.003, 0.0, 0.0, 0.0]
        stream.ask(5)
        assert (await stream.all_told())[-1] == 0.0, "WebRTC's detector hears no speech in it"
        assert await other.all_told() == [0.004]
    told = caplog.text
    assert f"{__name__}.Levels failed" in told
    assert what in told
    assert "WebRTC's detector hears the rest of this session" in told


async def test_who_never_answers_is_done_without(caplog: pytest.LogCaptureFixture) -> None:
    async with levels(patience_s=0.0) as (inner, provider):
        stream = Stream(provider.open())
        stream.ask(BLOCKS)
        await anyio.to_thread.run_sync(inner.blocked.acquire)
        stream.ask(0)
        assert await stream.all_told() == [0.0, 0.0]
        inner.let_go.set()
        stream.ask(0)
        assert await stream.all_told() == [0.0, 0.0, 0.0], "what it says afterwards is too late"
    assert f"{__name__}.Levels has not answered" in caplog.text


async def test_the_wait_for_a_loop_is_not_the_detectors(
    passes: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    async with levels(patience_s=20.0) as (inner, provider):
        holding = await hold_all(inner, provider)
        other = Stream(provider.open())
        other.ask(BLOCKS_LONGER)
        passes(15)
        other.ask(1)
        inner.let_go.set()
        await anyio.to_thread.run_sync(inner.blocked.acquire)
        passes(15)
        other.ask(2)
        assert other.told == []
        inner.let_go_later.set()
        assert await other.all_told() == [-0.004, 0.001, 0.002]
        for stream in holding:
            assert await stream.all_told() == [-0.001]
    assert "has not answered" not in caplog.text


async def test_who_waits_for_a_loop_does_so_no_longer_than_for_a_detector(
    passes: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    async with levels(patience_s=20.0) as (inner, provider):
        holding = await hold_all(inner, provider)
        gone, other = Stream(provider.open()), Stream(provider.open())
        gone.ask(7)
        other.ask(0)
        passes(25)
        other.ask(0)
        assert await other.all_told() == [0.0, 0.0]
        gone.vad.close()
        assert not provider.lanes.due, (
            "whoever holds the loops for ever keeps nothing of who was there meanwhile"
        )
        inner.let_go.set()
        for stream in holding:
            assert await stream.all_told() == [-0.001]
    assert gone.told == []
    assert all(windows == 1 for _, windows in inner.noted), "nobody is asked for who does not wait any more"
    assert f"{__name__}.Levels holds all of its event loops for 20 s" in caplog.text


async def test_what_fails_by_scores_costs_no_others_theirs(caplog: pytest.LogCaptureFixture) -> None:
    async with levels() as (inner, provider):
        faults = [KeyError("ours"), KeyError("ours again")]

        def fail() -> None:
            if faults and stream.told:
                raise faults.pop()

        stream = Stream(provider.open(), on_told=fail)
        stream.ask(BLOCKS)
        await anyio.to_thread.run_sync(inner.blocked.acquire)
        for value in (1, 2, 3):
            stream.ask(value)
        del stream.frames[1:3]  # of which nothing comes
        inner.let_go.set()
        assert await stream.all_told() == [-0.001, 0.003]
    assert "KeyError: 'ours'" in caplog.text


async def test_another_stream_begins_with_the_first_window_after_a_reset() -> None:
    async with levels() as (inner, provider):
        stream = Stream(provider.open())
        stream.ask(1, 1)
        stream.vad.reset()
        stream.ask(1)
        await stream.all_told()
    assert [count for _, count in inner.noted] == [1, 2, 1]


async def test_after_it_was_closed_nothing_is_told() -> None:
    async with levels() as (inner, provider):
        stream, other = Stream(provider.open()), Stream(provider.open())
        stream.ask(BLOCKS)
        await anyio.to_thread.run_sync(inner.blocked.acquire)
        stream.vad.close()
        stream.vad.close()
        inner.let_go.set()
        other.ask(1)
        await other.all_told()
    assert stream.told == []
    await provider.close()
    assert inner.closed_in == [f"loop of {path_of(inner)}"], "once, where it ran"
