"""A provider on an event loop of its own keeps its contract, and when it blocks, nobody waits but who asked it."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import numpy as np
import pytest

from stages.errors import ProviderError
from stages.ports import Finished, ModelCapabilities, Partial, RecogniserCapabilities, TextDelta
from stages.providers.apart import ModelApart, RecogniserApart, TurnEndsApart, VoiceApart
from stages.providers.configured import configure
from stages.providers.registry import ProviderFault, provider_of
from stages.runtime.lines import caller, calls_of
from stages.runtime.plug_in_loops import loops_apart, path_of
from stages.testing import ModelContract, RecogniserContract, VoiceContract
from stages.testing.contracts import check_language_model
from stages.testing.fakes import EchoModel, ScriptedRecogniser, ScriptedVoice
from stages.testing.session_contracts import check_sessions
from tests.support.patience import PATIENCE_S


class TestModel(ModelContract):
    def provider(self) -> Any:
        return ModelApart(EchoModel())


class TestVoice(VoiceContract):
    def provider(self) -> Any:
        return VoiceApart(ScriptedVoice())


class TestRecogniser(RecogniserContract):
    says = "Hello there."

    def provider(self) -> Any:
        return RecogniserApart(ScriptedRecogniser("Hello there."))

    def speech(self) -> Any:
        return np.random.default_rng(1).integers(-8_000, 8_000, 32_000, dtype=np.int16)


class Blocking:
    """Blocks until it is let go."""

    interface = 1
    apart = True
    capabilities = ModelCapabilities(tools=False)

    def __init__(self) -> None:
        self.blocks, self.let_go = threading.Event(), threading.Event()
        self.given = 0

    async def stream(self, messages: Any, **options: Any) -> AsyncGenerator[Any, None]:
        self.blocks.set()
        assert self.let_go.wait(30)
        for _ in range(100):
            self.given += 1
            yield TextDelta("word ")
        if not messages:
            raise ProviderError("nothing to answer")
        yield Finished()


@asynccontextmanager
async def blocking() -> AsyncIterator[tuple[Any, Blocking]]:
    made, faults = configure(provider_of("llm", Blocking), {}, {})
    assert made is not None, faults
    provider = await anyio.to_thread.run_sync(made.make)
    try:
        yield provider, provider._inner  # noqa: SLF001  # to let it go
    finally:
        provider._inner.let_go.set()  # noqa: SLF001
        await provider.close()
        await provider.close()


async def words_of(provider: Any, messages: Any = ("hello",)) -> int:
    async with aclosing(provider.stream(messages)) as events:
        return len([event async for event in events])


async def test_our_loop_goes_on_while_it_blocks() -> None:
    async with blocking() as (provider, inner), anyio.create_task_group() as tasks:
        tasks.start_soon(words_of, provider)
        await anyio.to_thread.run_sync(inner.blocks.wait)
        assert inner.given == 0
        inner.let_go.set()  # which nobody could do if it held our loop
    assert inner.given == 100


async def test_who_is_cancelled_does_not_wait_for_it() -> None:
    async with blocking() as (provider, inner):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(words_of, provider)
            await anyio.to_thread.run_sync(inner.blocks.wait)
            tasks.cancel_scope.cancel()
        assert not inner.let_go.is_set()
    assert inner.given <= 1


async def test_it_gives_no_more_than_is_wanted_and_what_it_raises_comes_over() -> None:
    async with blocking() as (provider, inner):
        inner.let_go.set()
        async with aclosing(provider.stream(["hello"])) as events:
            await anext(events)
            await anyio.sleep(0.05)
            assert 1 <= inner.given <= 12
        assert await words_of(provider) == 101
        with pytest.raises(ProviderError, match="nothing to answer"):
            await words_of(provider, ())


def test_what_does_not_go_with_it_is_named() -> None:
    class WithTurns(Blocking):
        def turns(self) -> None: ...

    with pytest.raises(ProviderFault, match="says `apart`, which does not go with `turns`"):
        provider_of("llm", WithTurns)


async def test_what_a_recogniser_raises_is_told_by_final() -> None:
    class Deaf:
        capabilities = RecogniserCapabilities()
        rate_hz = 16_000

        def open(self, *_: Any, **__: Any) -> Any:
            raise ProviderError("no ears")

    provider = RecogniserApart(Deaf())
    utterance = provider.open()
    utterance.push(np.zeros(160, np.int16))
    with pytest.raises(ProviderError, match="no ears"):
        await utterance.final()
    utterance.close()
    await provider.close()


async def test_words_are_told_in_the_name_of_the_session_whoever_says_them_there() -> None:
    class Threaded:
        """Says its words in a thread that belongs to no session."""

        capabilities = RecogniserCapabilities(partials=True)
        rate_hz = 16_000

        def open(self, on_partial: Any, **_: Any) -> Any:
            threading.Thread(target=on_partial, args=(Partial("hello"),)).start()
            return ScriptedRecogniser("hello").open()

    heard, by = anyio.Event(), list[str]()

    def hear(_: Partial) -> None:
        anyio.CancelScope()  # as a turn has that begins by it
        by.append(caller())
        heard.set()

    provider = RecogniserApart(Threaded())
    with calls_of("this session"):
        utterance = provider.open(hear)
    with anyio.fail_after(PATIENCE_S):
        await heard.wait()
    assert by == ["this session"]
    utterance.close()
    await provider.close()


async def test_a_recogniser_that_blocks_while_it_is_fed_is_looked_for() -> None:
    fed, let_go = threading.Event(), threading.Event()

    class Slow(ScriptedRecogniser):
        def open(self, *_: Any, **__: Any) -> Any:
            fed.set()
            assert let_go.wait(30)
            return super().open()

    provider = RecogniserApart(Slow("Hello."))
    utterance = provider.open()
    await anyio.to_thread.run_sync(fed.wait)
    (calls,) = [loop.calls for loop in loops_apart() if loop.name == path_of(provider)]
    assert calls == 1
    let_go.set()
    assert (await utterance.final()).text == ""
    (calls,) = [loop.calls for loop in loops_apart() if loop.name == path_of(provider)]
    assert calls == 0
    utterance.close()
    await provider.close()


class Connected(EchoModel):
    """Keeps something open for each session, and notes which task does that where; may block."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[str, object, int]] = []
        self.blocks, self.let_go = threading.Event(), threading.Event()
        self.let_go.set()
        self.more: dict[str, object] = {}

    @asynccontextmanager
    async def session(self) -> AsyncIterator[EchoModel]:
        self._note("begins")
        self.blocks.set()
        assert self.let_go.wait(30)
        view = EchoModel()
        vars(view).update(self.more)
        try:
            yield view
        finally:
            self._note("ends")

    def _note(self, what: str) -> None:
        self.noted.append((what, asyncio.current_task(), threading.get_ident()))


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Connected, ModelApart]]:
    inner = Connected()
    provider = ModelApart(inner)
    try:
        yield inner, provider
    finally:
        inner.let_go.set()
        await provider.close()


async def test_what_is_kept_for_a_session_is_opened_and_closed_there_by_one_task() -> None:
    async with connected() as (inner, provider):
        await check_sessions(provider, check_language_model)
        ends: dict[object, set[str]] = {}
        for what, task, thread in inner.noted:
            ends.setdefault(task, set()).add(what)
            assert thread != threading.get_ident()
        assert list(ends.values()) == [{"begins", "ends"}] * 4


async def test_who_blocks_while_a_session_is_opened_keeps_only_that_session_waiting() -> None:
    async with connected() as (inner, provider):
        inner.let_go.clear()

        async def enter() -> None:
            async with provider.session():
                raise AssertionError

        async with anyio.create_task_group() as sessions:
            sessions.start_soon(enter)
            await anyio.to_thread.run_sync(inner.blocks.wait, 30)
            await anyio.lowlevel.checkpoint()  # our loop goes round
            sessions.cancel_scope.cancel()
        inner.let_go.set()


async def test_what_cannot_be_opened_says_why() -> None:
    async with connected() as (inner, provider):
        inner.let_go = None  # type: ignore[assignment]
        try:
            with pytest.raises(AttributeError, match="wait"):
                async with provider.session():
                    raise AssertionError
        finally:
            inner.let_go = threading.Event()


async def test_a_session_that_gives_more_stays_on_the_loop_of_all(caplog: pytest.LogCaptureFixture) -> None:
    async with connected() as (inner, provider):
        inner.more = {"utterance": None}
        for _ in range(2):
            async with provider.session() as view:
                assert view.utterance is None
        here = [thread == threading.get_ident() for what, _, thread in inner.noted if what == "begins"]
    assert here == [False, True, True]
    (told,) = [
        record.getMessage() for record in caplog.records if "runs on the event loop of all" in record.message
    ]
    assert told.startswith(f"{Connected.__module__}.Connected ")


# --- ends of turns ----------------------------------------------------------------------------------------


class Slow:
    """An end-of-turn model that blocks until it is let go, and says how many samples it was asked about."""

    interface = 1

    def __init__(self) -> None:
        self.blocks, self.let_go = threading.Event(), threading.Event()
        self.closed = 0

    def open(self, on_probability: Any) -> Any:
        self.tell = on_probability
        return self

    def ask(self, samples: Any) -> None:
        self.blocks.set()
        assert self.let_go.wait(30)
        if not len(samples):
            raise ProviderError("nothing to hear")
        self.tell(len(samples) / 1000)

    def drop(self) -> None: ...

    def close(self) -> None:
        self.closed += 1


async def test_an_end_of_turn_model_that_blocks_does_not_hold_our_loop() -> None:
    made, faults = configure(provider_of("end_of_turn", Slow), {}, {})
    assert made is not None, faults
    provider = await anyio.to_thread.run_sync(made.make)
    assert isinstance(provider, TurnEndsApart)
    heard, told, ours = list[float](), anyio.Event(), threading.current_thread()

    def tell(probability: float) -> None:
        assert threading.current_thread() is ours
        heard.append(probability)
        told.set()

    questions = provider.open(tell)
    inner: Slow = provider.runs
    questions.ask(np.zeros(100, np.int16))
    await anyio.to_thread.run_sync(inner.blocks.wait)  # which nobody could await if it held our loop
    questions.ask(np.zeros(200, np.int16))
    questions.drop()
    questions.ask(np.zeros(0, np.int16))
    questions.ask(np.zeros(300, np.int16))
    inner.let_go.set()
    await told.wait()
    assert heard == [0.3], "the newest; those before it were withdrawn, and one that fails has no answer"
    questions.ask(np.zeros(400, np.int16))
    questions.close()
    questions.close()
    await provider.close()
    assert heard == [0.3]
    assert inner.closed == 3, "twice by us, and once with the model"
