"""An ear that is told its scores late hears what the other one hears: to the sample, in the same order, only later."""

import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from audio.codecs import encode
from audio.ears import listener_with
from audio.endpoint import SpeechEnded, SpeechStarted
from audio.endpoint_config import EndpointConfig
from audio.formats import AudioFormat, Encoding, Samples
from audio.late_listener import LateListener
from audio.listener import Heard, Listener, SpeechAudio
from audio.vad import WebRtcVad
from tests.support.audio_maker import join, mix, silence, voice, white_noise

CONFIG = EndpointConfig(soft_end_ms=60)
FORMATS = (AudioFormat(), AudioFormat(rate_hz=16_000), AudioFormat(Encoding.PCMU, 8_000))
SOUND = mix(
    join([silence(700), voice(800), silence(900), voice(400, seed=1), silence(800), voice(600, seed=2)]),
    white_noise(4_200, -60.0),
)


class Later:
    """WebRTC's detector, which tells what it has heard when it is let."""

    rate_hz = 16_000
    frame_samples = WebRtcVad.frame_samples

    def __init__(self) -> None:
        self.vad = WebRtcVad()
        self.asked: list[tuple[Sequence[Samples], Callable[[Sequence[float]], None]]] = []
        self.is_closed = False

    def ask(self, frames: Sequence[Samples], tell: Callable[[Sequence[float]], None]) -> None:
        self.asked.append((frames, tell))

    def tell(self, questions: int) -> None:
        for _ in range(min(questions, len(self.asked))):
            frames, tell = self.asked.pop(0)
            tell([self.vad.score(frame) for frame in frames])

    def reset(self) -> None:
        self.vad.reset()

    def close(self) -> None:
        self.is_closed = True


def late(format: AudioFormat = FORMATS[1], config: EndpointConfig | None = CONFIG) -> tuple[Later, Listener]:
    detector = Later()
    listener = listener_with(detector, format, config)
    assert isinstance(listener, LateListener)
    return detector, listener


def plain(heard: list[Heard]) -> list[object]:
    """Events, and between them all samples as one."""
    found: list[object] = []
    for one in heard:
        if not isinstance(one, SpeechAudio):
            found.append(one)
        elif found and isinstance(found[-1], bytes):
            found[-1] += one.samples.tobytes()
        else:
            found.append(one.samples.tobytes())
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_it_hears_the_same_however_late_its_scores_are(seed: int, format: AudioFormat) -> None:
    chance, wire = random.Random(seed), encode(np.ascontiguousarray(SOUND), format)
    detector, listener = late(format)
    other, expected, heard = Listener(format, WebRtcVad(), CONFIG), list[Heard](), list[Heard]()
    listener.on_heard = heard.extend
    at = 0
    while at < len(wire):
        size = chance.choice([161, 640, 960, 4_001, 20_000])
        expected += other.push(wire[at : at + size])
        assert listener.push(wire[at : at + size]) == []
        detector.tell(chance.choice([0, 0, 1, 2, 5]))
        at += size
    assert heard != expected
    detector.tell(len(detector.asked))
    assert plain(heard) == plain(expected)
    assert listener.position_ms == other.position_ms


def speaking() -> tuple[Later, Listener, list[Heard]]:
    """In the middle of the first utterance, of which the last 200 ms have no scores."""
    detector, listener = late()
    heard = list[Heard]()
    listener.on_heard = heard.extend
    wire = np.ascontiguousarray(SOUND[: 16_000 * 13 // 10]).tobytes()
    listener.push(wire[:-6_400])
    detector.tell(1)
    listener.push(wire[-6_400:])
    assert listener.is_speaking
    return detector, listener, heard


def test_what_has_no_score_yet_belongs_to_an_utterance_that_the_client_ends() -> None:
    detector, listener, heard = speaking()
    ended = listener.end_utterance()
    (started,) = (one for one in heard if isinstance(one, SpeechStarted))
    samples = sum(len(one.samples) for one in (*heard, *ended) if isinstance(one, SpeechAudio))
    assert isinstance(ended[-1], SpeechEnded)
    assert started.start_sample + samples == ended[-1].end_sample == 16_000 * 13 // 10
    before = len(heard)
    detector.tell(1)
    assert len(heard) == before, "scores of what is over are nobody's"


@pytest.mark.parametrize("scored_ms", [0, 40])
def test_what_has_no_score_at_all_is_what_a_client_means_who_ends_an_utterance(scored_ms: int) -> None:
    detector, listener = late()
    heard = list[Heard]()
    listener.on_heard = heard.extend
    wire = np.ascontiguousarray(SOUND[16_000 * 7 // 10 :]).tobytes()  # begins with voice
    scored = 32 * scored_ms
    listener.push(wire[:scored])
    detector.tell(1)
    listener.push(wire[scored : 32 * 400])
    assert heard == []
    assert not listener.is_speaking
    assert listener.end_utterance(least_ms=401) == [], "too little"
    (audio,) = listener.end_utterance(least_ms=100)
    assert isinstance(audio, SpeechAudio)
    assert audio.samples.tobytes() == wire[: 32 * 400], "also what was no speech yet by its scores"
    detector.tell(1)
    assert heard == []
    assert listener.end_utterance() == [], "once"


def test_what_is_silence_by_its_scores_is_nothing_that_a_client_could_end() -> None:
    detector, listener = late()
    listener.push(bytes(32 * 1_000))
    detector.tell(1)
    listener.push(bytes(32 * 60))
    assert listener.end_utterance(least_ms=100) == []
    listener.push(bytes(32 * 60))
    (audio,) = listener.end_utterance(least_ms=100)
    assert isinstance(audio, SpeechAudio)
    before = CONFIG.prefix_padding_ms
    assert len(audio.samples) >= 16 * (before + 120), "with what speech may begin before its first sign"


def test_what_is_cleared_is_not_heard_when_its_scores_come() -> None:
    detector, listener, heard = speaking()
    before = len(heard)
    listener.clear()
    detector.tell(1)
    assert len(heard) == before
    assert not listener.is_speaking
    assert listener.position_ms == 1_300


def test_with_manual_turns_all_comes_at_once_and_nothing_is_lost() -> None:
    detector, listener, heard = speaking()
    before = len(heard)
    listener.reconfigure(FORMATS[1], None)
    detector.tell(1)
    assert len(heard) == before
    (audio,) = listener.push(bytes(640))
    assert isinstance(audio, SpeechAudio)
    assert len(audio.samples) == 3_200 + 320, "what had no score, and what came"
    listener.reconfigure(FORMATS[1], CONFIG)
    listener.push(bytes(640))
    assert len(detector.asked) == 1


def test_after_it_was_closed_it_says_nothing() -> None:
    detector, listener, heard = speaking()
    before = len(heard)
    listener.close()
    detector.tell(1)
    assert detector.is_closed
    assert len(heard) == before
