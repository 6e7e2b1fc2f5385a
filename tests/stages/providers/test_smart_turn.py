"""The end-of-turn model: what it is given, whose question is answered, and what it makes of recorded speech."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np
import pytest

from audio.formats import SPEECH_HZ, Samples
from stages.errors import ModelFileError, ProviderBusy, ProviderError, ProviderTimeout
from stages.providers import smart_turn
from stages.providers.smart_turn import SmartTurn, SmartTurnModel
from stages.runtime.models import model_dir
from stages.runtime.onnx import Array
from stages.runtime.worker import Worker
from tests.support.audio_maker import clip, join, silence, white_noise
from tests.support.patience import PATIENCE_S


class LengthSession:
    """Answers with the share of the window that holds sound; `may_answer` holds it up."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked = threading.Event()
        self.shares: list[float] = []

    def run(self, outputs: None, inputs: dict[str, Array]) -> list[Array]:
        self.asked.set()
        assert self.may_answer.wait(PATIENCE_S)
        (features,) = inputs["input_features"]
        assert features.shape == (80, 800)
        share = float((features[40:].max(axis=0) > features.min() + 0.5).mean())  # 20 dB above the floor
        self.shares.append(share)
        return [np.full((1, 1), share, np.float32)]


class BrokenSession:
    def run(self, outputs: None, inputs: dict[str, Array]) -> list[Array]:
        raise RuntimeError("bad weights")


def noise(ms: int) -> Samples:
    return white_noise(ms, -30)


@pytest.fixture(autouse=True)
def no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine answers late, and only the tests of late answers want to see that."""
    monkeypatch.setattr(smart_turn, "DEADLINE_S", PATIENCE_S)


@asynccontextmanager
async def asking(session: LengthSession, line_limit: int = 4) -> AsyncIterator[SmartTurn]:
    model = SmartTurn(SmartTurnModel(session), Worker("test-turns", line_limit=line_limit))
    try:
        yield model
    finally:
        session.may_answer.set()
        await anyio.to_thread.run_sync(model.close)


async def until_asked(session: LengthSession) -> None:
    assert await anyio.to_thread.run_sync(session.asked.wait, PATIENCE_S)


# --- what it is given -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("ms", "share"), [(2_000, 0.25), (8_000, 1.0), (20_000, 1.0), (0, 0.0)])
def test_it_hears_the_last_8_seconds(ms: int, share: float) -> None:
    assert SmartTurnModel(LengthSession()).probability(noise(ms)) == pytest.approx(share, abs=0.01)


def test_less_than_8_seconds_lie_at_the_end_of_the_window() -> None:
    wave = smart_turn._window(noise(2_000))  # noqa: SLF001 - the model's input, which nothing else shows
    assert np.ptp(wave[: 6 * SPEECH_HZ]) == 0
    assert wave.mean() == pytest.approx(0, abs=1e-4)
    assert wave.std() == pytest.approx(1, abs=1e-3)


async def test_a_failing_model_is_a_provider_error() -> None:
    with pytest.raises(ProviderError, match="bad weights"):
        SmartTurnModel(BrokenSession()).probability(noise(100))


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(ModelFileError, match="smart-turn: cannot load"):
        SmartTurn.load(tmp_path)


# --- whose question is answered -------------------------------------------------------------------------


async def test_a_question_is_answered_off_the_loop() -> None:
    async with asking(LengthSession()) as model:
        assert await model.probability(noise(4_000)) == pytest.approx(0.5, abs=0.01)


async def test_a_late_answer_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smart_turn, "DEADLINE_S", 0.02)
    session = LengthSession()
    session.may_answer.clear()
    async with asking(session) as model:
        with pytest.raises(ProviderTimeout, match="end-of-turn model"):
            await model.probability(noise(100))


async def test_no_more_than_the_limit_wait() -> None:
    session = LengthSession()
    session.may_answer.clear()
    answers: list[float] = []
    async with asking(session, line_limit=1) as model:
        running, waiting, refused = (model.open(answers.append) for _ in range(3))
        running.ask(noise(8_000))
        await until_asked(session)
        waiting.ask(noise(4_000))
        refused.ask(noise(2_000))
        with pytest.raises(ProviderBusy):
            await model.probability(noise(100))
        session.may_answer.set()
        await _until_answered(answers, 2)
    assert answers == pytest.approx([1.0, 0.5], abs=0.01)


async def test_a_newer_question_of_a_session_replaces_its_older_ones() -> None:
    session = LengthSession()
    session.may_answer.clear()
    answers: list[float] = []
    async with asking(session) as model:
        questions = model.open(answers.append)
        questions.ask(noise(8_000))
        await until_asked(session)  # running, abandoned
        questions.ask(noise(4_000))  # waiting, never run
        questions.ask(noise(2_000))
        session.may_answer.set()
        await _until_answered(answers, 1)
    assert answers == pytest.approx([0.25], abs=0.01)
    assert session.shares == pytest.approx([1.0, 0.25], abs=0.01)


async def test_a_withdrawn_question_and_a_late_answer_are_not_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = LengthSession()
    session.may_answer.clear()
    answers: list[float] = []
    async with asking(session) as model:
        withdrawn, late, last = (model.open(answers.append) for _ in range(3))
        withdrawn.ask(noise(8_000))
        await until_asked(session)
        withdrawn.drop()
        monkeypatch.setattr(smart_turn, "DEADLINE_S", 0.02)
        late.ask(noise(4_000))
        with anyio.fail_after(PATIENCE_S):
            while model.worker.statistics().dropped < 2:
                await anyio.lowlevel.checkpoint()
        monkeypatch.setattr(smart_turn, "DEADLINE_S", PATIENCE_S)
        last.ask(noise(2_000))
        session.may_answer.set()
        await _until_answered(answers, 1)
    assert answers == pytest.approx([0.25], abs=0.01)


async def test_a_failure_is_no_answer() -> None:
    answers: list[float] = []
    model = SmartTurn(SmartTurnModel(BrokenSession()), Worker("test-turns"))
    model.open(answers.append).ask(noise(100))
    with pytest.raises(ProviderError):
        await model.probability(noise(100))  # behind it on the same thread
    await anyio.to_thread.run_sync(model.close)
    assert answers == []


async def _until_answered(answers: list[float], count: int) -> None:
    with anyio.fail_after(PATIENCE_S):
        while len(answers) < count:
            await anyio.lowlevel.checkpoint()


# --- with the real one ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> SmartTurnModel:
    return SmartTurnModel.load(model_dir("smart-turn"))


def at_soft_end(name: str, share: float = 1.0) -> Samples:
    """The first part of a recording, and the silence in which one would ask."""
    samples = clip(name).read()
    return join([samples[: int(len(samples) * share)], silence(128)])


@pytest.mark.models
@pytest.mark.parametrize(
    "name",
    ["cards_001", "cards_002", "cards_005", "librivox_0870", "ps_2934z", "ps_goforward", "ps_something"],
)
def test_finished_sentences_are_finished(model: SmartTurnModel, name: str) -> None:
    assert model.probability(at_soft_end(name)) > 0.9, "measured 0.985 to 0.989"


@pytest.mark.models
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("name", ["librivox_0880", "librivox_0920", "librivox_0930"])
def test_sentences_cut_in_the_middle_are_not(model: SmartTurnModel, name: str, share: float) -> None:
    assert model.probability(at_soft_end(name, share)) < 0.4, "measured 0.02 to 0.26"


@pytest.mark.models
def test_silence_is_an_answer_too(model: SmartTurnModel) -> None:
    assert 0 <= model.probability(silence(1_000)) <= 1
