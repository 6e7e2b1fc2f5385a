"""Who talks for more than a minute without a break: captions come as often at the end, and what was certain stays."""

from itertools import pairwise

import anyio
import numpy as np
import pytest

from audio.formats import SPEECH_HZ, Samples
from stages.ports import Partial
from stages.providers.moonshine.model import MoonshineModel
from stages.providers.moonshine.recogniser import MoonshineRecogniser
from stages.runtime.models import model_dir
from stages.testing.virtual_time import run_virtual
from stages.testing.wer import word_errors
from tests.support.audio_maker import clips, dbfs
from tests.support.prompt_worker import PromptWorker

READING_S = 0.08
"""About what a reading of some seconds takes on a recent core."""
LONGEST_STEP_S = 0.7
"""Of voice, between two captions: where nobody speaks there is nothing new to tell."""
QUIET_DBFS = -50


def voiced_s(samples: Samples, from_s: float, to_s: float) -> float:
    """How much of it is louder than quiet."""
    windows = range(int(from_s * SPEECH_HZ), int(to_s * SPEECH_HZ), 320)
    return sum(dbfs(samples[start : start + 320]) > QUIET_DBFS for start in windows) * 0.02


async def listen(
    recogniser: MoonshineRecogniser, samples: Samples
) -> tuple[list[tuple[float, Partial]], str]:
    """The captions with their times, and the whole text."""
    captions: list[tuple[float, Partial]] = []
    recognition = recogniser.open(lambda partial: captions.append((anyio.current_time(), partial)))
    for start in range(0, len(samples), 320):
        recognition.push(samples[start : start + 320])
        await anyio.sleep(0.02)
    transcript = await recognition.final()
    recognition.close()
    await anyio.sleep(1)
    return captions, transcript.text


@pytest.mark.models
def test_a_long_monologue_keeps_its_captions_and_its_text() -> None:
    said = [one for one in clips() if one.file.startswith(("librivox", "two_cities", "cards"))]
    samples = np.concatenate([one.read() for one in said])
    assert len(samples) > 60 * SPEECH_HZ
    model = MoonshineModel.load(model_dir("moonshine-base-en"), threads=1)
    recogniser = MoonshineRecogniser(model, PromptWorker("recogniser", READING_S))
    captions, text = run_virtual(listen, recogniser, samples)
    times = [at for at, _ in captions]
    assert times[0] <= 1.5  # the first clip begins with some quiet
    assert max(voiced_s(samples, *step) for step in pairwise(times)) <= LONGEST_STEP_S
    certain = [partial.stable for _, partial in captions]
    assert all(later.startswith(at) for at, later in pairwise(certain))
    assert word_errors([" ".join(one.transcript for one in said)], [text]).rate <= 0.05
    late = [partial.text for at, partial in captions if at > times[-1] - 10]
    assert len(set(late)) > 10
