"""An ear without the echo of what is played: with the real canceller, on real speech."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

from audio.echo import FRAME_SAMPLES, EchoFreeIntake, load_canceller
from audio.formats import SPEECH_HZ, AudioFormat, Encoding, Samples
from audio.intake import Intake
from audio.listener import Listener
from tests.support.audio_maker import clip, dbfs, join

FORMAT = AudioFormat(Encoding.PCM16, 24_000)
DELAY = SPEECH_HZ * 160 // 1000


def agent() -> Samples:
    return join([clip(name).read() for name in ("librivox_0890.wav", "librivox_0920.wav")])[: 6 * SPEECH_HZ]


def echo_of(voice: Samples, db: float = -20.0) -> Samples:
    late = np.concatenate([np.zeros(DELAY, np.int16), voice])[: len(voice)]
    return np.asarray(late * 10 ** (db / 20), np.int16)


class Loudspeaker:
    """Plays a voice while the microphone hears as much."""

    def __init__(self, voice: Samples | None) -> None:
        self._voice = None if voice is None else iter(voice)

    def played(self, count: int) -> Samples | None:
        if self._voice is None:
            return None
        return np.pad(piece := np.array([*islice(self._voice, count)], np.int16), (0, count - len(piece)))


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    yield from (data[at : at + size] for at in range(0, len(data), size))


def heard_by(intake: Intake, data: bytes, size: int = 640) -> Samples:
    """As an ear takes it: a window of its detector at once."""
    return np.concatenate([intake.push(piece, 512, 512) for piece in pieces(data, size)] + [intake.flush()])


NATIVE = AudioFormat(Encoding.PCM16, SPEECH_HZ)


def test_an_echo_is_lowered_by_more_than_fifteen_decibels_from_the_second_second_on() -> None:
    voice = agent()
    heard = echo_of(voice)
    intake = EchoFreeIntake(NATIVE, load_canceller(), Loudspeaker(voice).played)
    left = heard_by(intake, heard.tobytes())
    assert len(left) == len(heard)
    for second in range(2, 6):
        piece = slice(second * SPEECH_HZ, (second + 1) * SPEECH_HZ)
        assert dbfs(heard[piece]) - dbfs(left[piece]) >= 15, second


@pytest.mark.parametrize("size", [2, 333, 960, 4000])
def test_while_nothing_is_played_the_ear_gets_the_same_bits(size: int) -> None:
    data = clip("ps_goforward.wav").read().tobytes()
    silent = EchoFreeIntake(FORMAT, load_canceller(), Loudspeaker(None).played)
    assert np.array_equal(heard_by(silent, data, size), heard_by(Intake(FORMAT), data, size))


def test_no_sample_is_lost_or_doubled_where_the_voice_begins_and_ends() -> None:
    """The clock of the ear counts samples: what waits for a whole frame is counted as not yet given."""
    data = clip("ps_goforward.wav").read().tobytes()
    plays = False

    def played(count: int) -> Samples | None:
        return np.zeros(count, np.int16) if plays else None

    intake, plain = EchoFreeIntake(FORMAT, load_canceller(), played), Intake(FORMAT)
    given = expected = 0
    for number, piece in enumerate(pieces(data, 960)):
        plays = number // 13 % 2 == 1
        given += len(intake.push(piece))
        expected += len(plain.push(piece))
        assert intake.emitted_samples == given
        assert 0 <= expected - given < FRAME_SAMPLES
        assert intake.received_samples == plain.received_samples
    assert given + len(intake.flush()) == expected + len(plain.flush())


def test_an_ear_that_takes_out_the_echo_hears_as_much_audio() -> None:
    voice = agent()
    ear = Listener(NATIVE)
    ear.take_out_echo(load_canceller(), Loudspeaker(voice).played)
    heard = [ear.push(piece) for piece in pieces(echo_of(voice).tobytes(), 640)]
    assert ear.position_ms == len(voice) * 1000 // SPEECH_HZ
    samples = [getattr(one, "samples", np.zeros(0)) for some in heard for one in some]
    samples += [getattr(one, "samples", np.zeros(0)) for one in ear.end_utterance()]
    assert sum(map(len, samples)) == len(voice)
