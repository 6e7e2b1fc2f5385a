"""Words that the real model misreads, and reads rightly once it is told that they are due."""

import numpy as np
import pytest

from stages.ports import Expects
from stages.providers.moonshine.engine import MODEL_NAME
from stages.providers.moonshine.model import MoonshineModel
from stages.runtime.models import model_dir
from stages.testing.wer import word_errors
from tests.support.audio_maker import clip, silence
from tests.support.moonshine import text_of

pytestmark = pytest.mark.models

OTHERS = ("Kowalski", "Reykjavik", "Siobhan", "invoice", "router")
CLIPS = ("cards_001", "cards_003", "librivox_0880", "ps_goforward")


def test_phrases_that_are_due_are_read_and_others_change_nothing() -> None:
    model = MoonshineModel.load(model_dir(MODEL_NAME), threads=1)
    wrong = []
    for phrases in ((), OTHERS, ("clubs", "ill-disposed", *OTHERS)):
        told = model.expecting(Expects.FREE, phrases)
        said = [clip(name) for name in CLIPS]
        heard = [text_of(told.transcribe(np.concatenate([one.read(), silence(200)]))) for one in said]
        wrong.append(word_errors([one.transcript for one in said], heard).errors)
    assert wrong[0] == wrong[1] > wrong[2] == 0
