"""The embedded recogniser's utterances: what is read when, by a scripted engine; partials and text by the real one."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import numpy as np
import pytest

from audio.formats import SPEECH_HZ, Samples, ms_to_samples
from stages.errors import ProviderBusy, ProviderError
from stages.ports import Partial
from stages.providers.moonshine.model import MoonshineModel
from stages.providers.whisper.model import MultilingualModel, WhisperModel
from stages.providers.whisper.recogniser import PARTIAL, EmbeddedRecogniser, EmbeddedRecognition
from stages.providers.whisper.text import bare
from stages.runtime.logmel import Floats
from stages.runtime.models import model_dir
from stages.runtime.worker import Worker
from stages.testing.contracts import check_recogniser
from stages.testing.wer import word_errors
from tests.support.audio_maker import clip, silence, voice
from tests.support.patience import PATIENCE_S

FRAME = SPEECH_HZ // 50


# --- with a scripted engine -----------------------------------------------------------------------------


class CountingEngine:
    """Hears a number for each half second of speech, counting up: 2 s are "one two three four".

    With `may_encode` cleared it waits between its two steps, after it has set `begun`.
    """

    WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

    def __init__(self) -> None:
        self.encoded = 0
        self.generated = 0
        self.begun = threading.Event()
        self.may_encode = threading.Event()
        self.may_encode.set()
        self.fails = False

    def encode(self, features: Floats) -> int:
        self.encoded += 1
        self.begun.set()
        assert self.may_encode.wait(PATIENCE_S)
        if self.fails:
            raise RuntimeError("no memory")
        return int(features.shape[1])

    def generate(self, frames: int, max_tokens: int) -> tuple[list[str], float, float]:
        self.generated += 1
        speech_s = frames / 100 - 2
        return ["Ġ" + word for word in self.WORDS[: int(speech_s / 0.5)]], -0.1, 0.1

    def weigh(self, encoded: int, text: str, frames: int) -> float:
        return 0.0

    async def wait_begun(self) -> None:
        assert await anyio.to_thread.run_sync(self.begun.wait, PATIENCE_S)


@pytest.fixture
def engine() -> Iterator[CountingEngine]:
    engine = CountingEngine()
    yield engine
    engine.may_encode.set()


@asynccontextmanager
async def recognising(engine: CountingEngine, line_limit: int = 8) -> AsyncIterator[EmbeddedRecogniser]:
    recogniser = EmbeddedRecogniser(WhisperModel(engine), Worker("test-recogniser", line_limit=line_limit))
    try:
        yield recogniser
    finally:
        engine.may_encode.set()
        await anyio.to_thread.run_sync(recogniser.close)
        assert "test-recogniser" not in [thread.name for thread in threading.enumerate()]


async def settle(recogniser: EmbeddedRecogniser) -> None:
    """Wait until the worker has nothing to do and everybody has been told."""
    with anyio.fail_after(PATIENCE_S):
        await recogniser.worker.run(lambda: None, priority=PARTIAL + 1)


async def listen(recogniser: EmbeddedRecogniser, utterance: EmbeddedRecognition, samples: Samples) -> None:
    """Push `samples` as a session does, but give every partial the time it takes."""
    for start in range(0, len(samples), FRAME):
        utterance.push(samples[start : start + FRAME])
        await settle(recogniser)  # always: a worker that is idle again may not have been heard yet


async def test_partials_come_while_one_speaks_and_grow_into_the_final(engine: CountingEngine) -> None:
    partials: list[Partial] = []
    async with recognising(engine) as recogniser:
        utterance = recogniser.open(partials.append)
        await listen(recogniser, utterance, voice(3000))
        final = await utterance.final()
        assert final.text == "one two three four five six"
        assert final.unclear_below == WhisperModel.unclear_below
        assert len({model.unclear_below for model in (WhisperModel, MultilingualModel, MoonshineModel)}) == 3
    assert partials == [
        Partial("one"),
        Partial("one two three", stable="one"),
        Partial("one two three four", stable="one two three"),
    ]


async def test_captions_come_sooner_while_an_utterance_is_young(engine: CountingEngine) -> None:
    partials: list[Partial] = []
    pushed_ms: list[int] = []
    async with recognising(engine) as recogniser:
        recogniser.model.early_partial_samples = ms_to_samples(240, SPEECH_HZ)
        utterance = recogniser.open(partials.append)
        speech = voice(4000)
        for start in range(0, len(speech), FRAME):
            utterance.push(speech[start : start + FRAME])
            await settle(recogniser)
            if len(partials) > len(pushed_ms):
                pushed_ms.append((start + FRAME) * 1000 // SPEECH_HZ)
        utterance.close()
    waits_ms = np.diff([0, *pushed_ms])
    assert max(waits_ms[: list(np.cumsum(waits_ms) > 1900).index(True)]) <= 260
    assert waits_ms[-1] >= 800


async def test_a_word_that_is_found_late_shifts_no_stable_word(engine: CountingEngine) -> None:
    partials: list[Partial] = []
    readings = iter(
        ["Mr. John", "Mr. John had then", "And Mr. John had then leisure", "Mr. Jon had then, leisure to"]
    )

    class Wavering(CountingEngine):
        def generate(self, frames: int, max_tokens: int) -> tuple[list[str], float, float]:
            return ["Ġ" + word for word in next(readings).split()], -0.1, 0.1

    async with recognising(Wavering()) as recogniser:
        await listen(recogniser, recogniser.open(partials.append), voice(3300))
    assert [partial.stable for partial in partials] == [
        "",
        "Mr. John",
        "Mr. John had then",
        "Mr. John had then leisure",
    ]
    assert [partial.text for partial in partials] == [
        "Mr. John",
        "Mr. John had then",
        "Mr. John had then leisure",
        "Mr. John had then leisure to",
    ]


async def test_nobody_who_does_not_ask_for_partials_pays_for_them(engine: CountingEngine) -> None:
    async with recognising(engine) as recogniser:
        utterance = recogniser.open()
        await listen(recogniser, utterance, voice(3000))
        assert engine.encoded == 0
        assert (await utterance.final()).text == "one two three four five six"


async def test_a_partial_is_not_made_while_somebody_waits(engine: CountingEngine) -> None:
    partials: list[Partial] = []
    async with recognising(engine) as recogniser, anyio.create_task_group() as tasks:
        engine.may_encode.clear()
        waits = recogniser.open()
        waits.push(voice(2000))
        tasks.start_soon(waits.final)
        await engine.wait_begun()
        speaks = recogniser.open(partials.append)
        speaks.push(voice(1000))
        assert recogniser.worker.statistics().waiting == 0
        engine.may_encode.set()
        await settle(recogniser)
        speaks.push(voice(1000))  # and later there is one, of all that was said
        await settle(recogniser)
    assert [partial.text for partial in partials] == ["one two three four"]


async def test_a_final_overtakes_the_partial_of_somebody_else(engine: CountingEngine) -> None:
    partials: list[Partial] = []
    async with recognising(engine) as recogniser:
        engine.may_encode.clear()
        speaks = recogniser.open(partials.append)
        speaks.push(voice(1000))
        await engine.wait_begun()
        waits = recogniser.open()
        waits.push(voice(2000))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waits.final)
            await anyio.wait_all_tasks_blocked()
            engine.may_encode.set()
        assert engine.encoded == 2
        assert engine.generated == 1  # the partial was given up between its steps
        assert partials == []
        speaks.push(voice(1000))
        await settle(recogniser)
    assert [partial.text for partial in partials] == ["one two three four"]


async def test_a_long_final_makes_room_for_another_after_each_piece(engine: CountingEngine) -> None:
    read: list[tuple[str, int]] = []

    async def final(name: str, utterance: EmbeddedRecognition) -> None:
        read.append((name, len((await utterance.final()).text.split())))

    async with recognising(engine) as recogniser:
        engine.may_encode.clear()
        recording, speaks = recogniser.open(), recogniser.open()
        recording.push(voice(40_000))
        speaks.push(voice(1_000))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(final, "recording", recording)
            await engine.wait_begun()
            tasks.start_soon(final, "speaks", speaks)
            await anyio.wait_all_tasks_blocked()
            engine.may_encode.set()
    assert read == [("speaks", 2), ("recording", 30)]
    assert engine.encoded == 4


async def test_a_final_waits_for_no_partial_of_its_own(engine: CountingEngine) -> None:
    partials: list[Partial] = []
    async with recognising(engine) as recogniser:
        engine.may_encode.clear()
        utterance = recogniser.open(partials.append)
        utterance.push(voice(1000))
        await engine.wait_begun()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(utterance.final)
            await anyio.wait_all_tasks_blocked()
            engine.may_encode.set()
    assert engine.generated == 1
    assert partials == []


async def test_a_final_after_silence_is_there_at_once_even_while_the_worker_is_busy(
    engine: CountingEngine,
) -> None:
    async with recognising(engine) as recogniser, anyio.create_task_group() as tasks:
        utterance = recogniser.open()
        utterance.push(np.concatenate([voice(2000), silence(100)]))
        first = await utterance.final()
        engine.begun.clear()
        engine.may_encode.clear()
        other = recogniser.open()
        other.push(voice(1000))
        tasks.start_soon(other.final)
        await engine.wait_begun()
        utterance.push(silence(400))
        with anyio.fail_after(PATIENCE_S / 2):  # the engine would wait longer
            assert await utterance.final() == first
        engine.may_encode.set()
    assert engine.encoded == 2


async def test_a_final_after_more_speech_is_read_anew(engine: CountingEngine) -> None:
    async with recognising(engine) as recogniser:
        utterance = recogniser.open()
        utterance.push(np.concatenate([voice(2000), silence(100)]))
        assert (await utterance.final()).text == "one two three four"
        utterance.push(voice(900))
        assert (await utterance.final()).text == "one two three four five six"


async def test_a_partial_that_has_heard_it_all_is_the_final(engine: CountingEngine) -> None:
    partials: list[Partial] = []
    async with recognising(engine) as recogniser:
        utterance = recogniser.open(partials.append)
        utterance.push(np.concatenate([voice(2000), silence(100)]))
        await settle(recogniser)
        utterance.push(silence(1000))  # enough for another partial, but there is nothing new
        assert recogniser.worker.statistics().waiting == 0
        assert (await utterance.final()).text == "one two three four"
    assert len(partials) == engine.encoded == 1


async def test_what_a_cancelled_final_has_read_is_not_read_again(engine: CountingEngine) -> None:
    async with recognising(engine) as recogniser:
        engine.may_encode.clear()
        utterance = recogniser.open()
        utterance.push(np.concatenate([voice(2000), silence(100)]))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(utterance.final)
            await engine.wait_begun()
            tasks.cancel_scope.cancel()  # the person goes on, it seems
        engine.may_encode.set()
        utterance.push(silence(400))
        assert (await utterance.final()).text == "one two three four"
    assert engine.encoded == 1


async def test_a_cancelled_final_that_waits_leaves_nothing_behind(engine: CountingEngine) -> None:
    async with recognising(engine) as recogniser, anyio.create_task_group() as tasks:
        engine.may_encode.clear()
        runs, waits = recogniser.open(), recogniser.open()
        for utterance in (runs, waits):
            utterance.push(voice(2000))
        tasks.start_soon(runs.final)
        await engine.wait_begun()
        with anyio.move_on_after(0.01):
            await waits.final()
        assert recogniser.worker.statistics().waiting == 0
        engine.may_encode.set()
    assert engine.encoded == 1


async def test_nothing_is_reported_after_close(engine: CountingEngine) -> None:
    partials: list[Partial] = []
    async with recognising(engine) as recogniser:
        engine.may_encode.clear()
        utterance = recogniser.open(partials.append)
        utterance.push(voice(1000))
        await engine.wait_begun()
        utterance.close()
        utterance.close()
        engine.may_encode.set()
        await settle(recogniser)
    assert partials == []


async def test_a_full_queue_refuses_a_final_and_is_no_trouble_to_who_speaks(engine: CountingEngine) -> None:
    async with recognising(engine, line_limit=1) as recogniser:
        engine.may_encode.clear()
        refused = recogniser.open(lambda _: None)
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                utterance = recogniser.open()
                utterance.push(voice(1000))
                tasks.start_soon(utterance.final)
                await engine.wait_begun()
                await anyio.wait_all_tasks_blocked()
            refused.push(voice(1000))
            with pytest.raises(ProviderBusy, match="test-recogniser: 1 calls of this session are waiting"):
                await refused.final()
            engine.may_encode.set()
        assert (await refused.final()).text == "one two"  # what it was told is not lost


async def test_a_failing_engine_is_told_by_the_final_alone(engine: CountingEngine) -> None:
    partials: list[Partial] = []
    async with recognising(engine) as recogniser:
        engine.fails = True
        utterance = recogniser.open(partials.append)
        await listen(recogniser, utterance, voice(2000))
        with pytest.raises(ProviderError, match="no memory"):
            await utterance.final()
        engine.fails = False
        assert (await utterance.final()).text == "one two three four"
    assert partials == []


async def test_a_closed_recogniser_says_so_to_the_final_alone(engine: CountingEngine) -> None:
    async with recognising(engine) as recogniser:
        utterance = recogniser.open(lambda _: None)
        await anyio.to_thread.run_sync(recogniser.close)
        utterance.push(voice(1000))
        with pytest.raises(ProviderError, match="test-recogniser is closed"):
            await utterance.final()


# --- with the real one ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recogniser() -> Iterator[EmbeddedRecogniser]:
    recogniser = EmbeddedRecogniser.load(model_dir("whisper-tiny.en"))
    yield recogniser
    recogniser.close()
    assert "recogniser" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.models
async def test_it_keeps_the_contract_of_a_recogniser(recogniser: EmbeddedRecogniser) -> None:
    await check_recogniser(recogniser, clip("ps_goforward").read(), "Go forward ten meters.")


def words(text: str) -> list[str]:
    return [bare(word) for word in text.split()]


@pytest.mark.models
@pytest.mark.parametrize("name", ["librivox_0870", "librivox_0920", "ps_goforward", "two_cities"])
async def test_of_real_speech_the_stable_words_are_never_taken_back(
    recogniser: EmbeddedRecogniser, name: str
) -> None:
    partials: list[Partial] = []
    utterance = recogniser.open(partials.append)
    await listen(recogniser, utterance, clip(name).read()[: 17 * SPEECH_HZ])  # with one cut
    final = await utterance.final()
    utterance.close()
    assert len(partials) >= 2
    stable = ""
    for partial in partials:
        assert partial.stable.startswith(stable)
        assert words(partial.text)[: len(words(partial.stable))] == words(partial.stable)
        stable = partial.stable
    assert len(words(stable)) >= len(words(final.text)) // 2
    assert word_errors([final.text], [partials[-1].text]).rate <= 0.4
    assert word_errors([final.text], [stable]).rate <= 0.5


@pytest.mark.models
async def test_two_who_speak_at_once_are_not_mixed_up(recogniser: EmbeddedRecogniser) -> None:
    heard: dict[str, str] = {}

    async def converse(name: str) -> None:
        utterance = recogniser.open(lambda _: None)
        speech = clip(name).read()
        for start in range(0, len(speech), FRAME):
            utterance.push(speech[start : start + FRAME])
            await anyio.lowlevel.checkpoint()
        heard[name] = (await utterance.final()).text
        utterance.close()

    names = ("ps_goforward", "librivox_0920", "cards_003", "ps_something")
    async with anyio.create_task_group() as sessions:
        for name in names:
            sessions.start_soon(converse, name)
    for name in names:
        assert word_errors([clip(name).transcript], [heard[name]]).errors <= 1, heard[name]
