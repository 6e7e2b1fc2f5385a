"""An ear whose scores are known beforehand hears what the other one hears: push by push, to the bit."""

import random

import numpy as np
import pytest

from audio.codecs import encode
from audio.ears import listener_with
from audio.endpoint_config import EndpointConfig
from audio.formats import AudioFormat, Encoding, Samples
from audio.listener import Heard, Listener, SpeechAudio
from audio.scored_listener import ScoredListener
from audio.vad import WebRtcVad
from tests.support.audio_maker import join, mix, silence, voice, white_noise

CONFIG = EndpointConfig(soft_end_ms=60)
FORMATS = (AudioFormat(), AudioFormat(rate_hz=16_000), AudioFormat(Encoding.PCMU, 8_000))
SOUND = mix(
    join([silence(2_500), voice(800), silence(900), voice(400, seed=1), silence(1_500), voice(600, seed=2)]),
    white_noise(6_700, -60.0),
)


class NotedVad(WebRtcVad):
    """Keeps its scores."""

    __slots__ = ("scores",)

    def __init__(self) -> None:
        super().__init__()
        self.scores: list[float] = []

    def score(self, frame: Samples) -> float:
        self.scores.append(super().score(frame))
        return self.scores[-1]


class KnownVad:
    """Has its scores."""

    rate_hz = 16_000
    frame_samples = WebRtcVad.frame_samples
    wants_audio = False

    def __init__(self, scores: list[float]) -> None:
        self.scores = iter(scores)

    def score(self, frame: Samples) -> float:
        return next(self.scores)

    def reset(self) -> None:
        """Nothing is learnt."""


def told(heard: list[Heard]) -> list[object]:
    return [one.samples.tobytes() if isinstance(one, SpeechAudio) else one for one in heard]


def do(listener: Listener, deed: str, format: AudioFormat) -> list[object]:
    match deed:
        case "clear":
            listener.clear()
        case "end":
            return told(listener.end_utterance())
        case "abandon":
            listener.abandon_utterance()
        case "manual":
            listener.reconfigure(format, None)
        case "detected":
            listener.reconfigure(format, CONFIG)
    return []


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("format", FORMATS)
def test_it_hears_the_same_push_by_push(seed: int, format: AudioFormat) -> None:
    chance = random.Random(seed)
    wire = encode(np.ascontiguousarray(SOUND), format)
    steps: list[tuple[str, bytes]] = []
    at = 0
    while at < len(wire):
        size = chance.choice([161, 640, 640, 960, 960, 4_001, 40_000])
        steps.append((chance.choice([""] * 30 * (1 + seed) + DEEDS), wire[at : at + size]))
        at += size
    vad = NotedVad()
    listener = Listener(format, vad, CONFIG)
    expected = [(do(listener, deed, format), told(listener.push(piece))) for deed, piece in steps]
    known = KnownVad(vad.scores)
    again = listener_with(known, format, CONFIG)
    assert isinstance(again, ScoredListener)
    assert [(do(again, deed, format), told(again.push(piece))) for deed, piece in steps] == expected
    assert again.position_ms == listener.position_ms
    assert not list(known.scores)


DEEDS = ["clear", "end", "abandon", "manual", "detected"]
