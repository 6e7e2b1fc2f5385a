"""The whole ear: utterances and their audio out of wire bytes, the same for every cut, at every rate."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audio.codecs import encode
from audio.endpoint import EndpointEvent, EndReason, SoftEnd, SpeechEnded, SpeechResumed, SpeechStarted
from audio.endpoint_config import EndpointConfig
from audio.errors import FormatError
from audio.formats import AudioFormat, Encoding, Samples
from audio.listener import Heard, Listener, SpeechAudio
from audio.resample import Resampler
from tests.support.audio_maker import (
    Clip,
    brown_noise,
    clicks,
    clips,
    cuts,
    join,
    mix,
    pieces,
    silence,
    tone,
    voice,
    white_noise,
)

PCM16 = AudioFormat(rate_hz=16_000)
PCM24 = AudioFormat()
PCMU = AudioFormat(Encoding.PCMU, 8_000)
FORMATS = [PCM16, PCM24, PCMU, AudioFormat(Encoding.PCMA, 8_000), AudioFormat(rate_hz=44_100)]
CONFIG = EndpointConfig()

SPOKEN = join([silence(500), voice(800), silence(900), voice(400, seed=1), silence(700)])
"""Two utterances: from 8000 to 20800, and from 35200 to 41600, of 52800 samples."""


class LoudnessVad:
    """A detector whose verdict is known to the frame: anything but silence is speech."""

    rate_hz = 16_000
    frame_samples = 320

    def __init__(self) -> None:
        self.resets = 0

    def score(self, frame: Samples) -> float:
        return float(np.abs(frame.astype(int)).max() > 100)

    def reset(self) -> None:
        self.resets += 1


def _wire(samples: Samples, format: AudioFormat) -> bytes:
    return encode(Resampler(16_000, format.rate_hz).process(samples, last=True), format)


def _hear(listener: Listener, wire: bytes, size: int = 960) -> list[Heard]:
    return [heard for piece in pieces(wire, size) for heard in listener.push(piece)]


def _events(heard: Iterable[Heard]) -> list[EndpointEvent]:
    return [h for h in heard if not isinstance(h, SpeechAudio)]


def _audio(heard: Iterable[Heard]) -> Samples:
    stretches = [h.samples for h in heard if isinstance(h, SpeechAudio)]
    return np.concatenate(stretches) if stretches else silence(0)


def _utterances(heard: list[Heard]) -> list[tuple[SpeechStarted, Samples, SpeechEnded]]:
    """What was heard as utterances; fails if the order is not Started, Audio, Ended."""
    utterances = []
    marks = [i for i, h in enumerate(heard) if not isinstance(h, SpeechAudio)]
    assert all(b > a + 1 for a, b in pairwise(marks[:1] + marks[1::2])), "audio in between"
    for first, last in zip(marks[::2], marks[1::2], strict=True):
        started, ended = heard[first], heard[last]
        assert isinstance(started, SpeechStarted)
        assert isinstance(ended, SpeechEnded)
        utterances.append((started, _audio(heard[first:last]), ended))
    assert len(_audio(heard)) == sum(len(audio) for _, audio, _ in utterances), "no audio outside utterances"
    return utterances


# --- finding utterances -------------------------------------------------------------------------------------


def test_utterances_come_with_pre_roll_and_trailing_silence_to_the_sample() -> None:
    listener = Listener(PCM16, LoudnessVad(), CONFIG)
    (one, one_audio, one_end), (two, two_audio, two_end) = _utterances(_hear(listener, _wire(SPOKEN, PCM16)))
    assert (one, one_end) == (SpeechStarted(8_000 - 4_800, 8_000), SpeechEnded(28_800, 20_800))
    assert (two, two_end) == (SpeechStarted(35_200 - 4_800, 35_200), SpeechEnded(49_600, 41_600))
    assert np.array_equal(one_audio, SPOKEN[3_200:28_800])
    assert np.array_equal(two_audio, SPOKEN[30_400:49_600])


@pytest.mark.parametrize("format", FORMATS, ids=lambda f: f"{f.encoding}-{f.rate_hz}")
def test_every_format_has_the_same_utterances_within_a_frame_or_two(format: AudioFormat) -> None:
    heard = _hear(Listener(format, None, CONFIG), _wire(SPOKEN, format) + _wire(silence(300), format))
    (one, one_audio, one_end), (two, _, two_end) = _utterances(heard)
    for number, expected in (
        (one.onset_sample, 8_000),
        (one_end.last_voiced_sample, 20_800),
        (two.onset_sample, 35_200),
        (two_end.last_voiced_sample, 41_600),
    ):
        assert abs(number - expected) <= 640
    assert len(one_audio) == one_end.end_sample - one.start_sample


def test_an_utterance_begins_no_earlier_than_the_stream() -> None:
    listener = Listener(PCM16, LoudnessVad(), CONFIG)
    heard = _hear(listener, _wire(join([silence(100), voice(300)]), PCM16))
    assert heard[0] == SpeechStarted(0, 1_600)
    assert len(_audio(heard)) == 6_400


@settings(max_examples=25)
@given(data=st.data(), format=st.sampled_from(FORMATS))
def test_any_cut_gives_the_same_utterances(data: st.DataObject, format: AudioFormat) -> None:
    wire = _wire(SPOKEN, format)
    whole = Listener(format, None, CONFIG).push(wire)
    listener = Listener(format, None, CONFIG)
    cut = [h for piece in data.draw(cuts(len(wire))) for h in listener.push(wire[piece])]
    assert _events(cut) == _events(whole)
    assert np.array_equal(_audio(cut), _audio(whole))


@pytest.mark.no_cover
@settings(max_examples=30)
@given(
    sizes=st.lists(st.integers(301, 3_000), min_size=1, max_size=8),
    turns=st.dictionaries(
        st.integers(0, 60), st.sampled_from(["clear", "end", "manual", "detect"]), max_size=4
    ),
    format=st.sampled_from(FORMATS),
)
@example(sizes=[641, 639], turns={}, format=PCM16)
def test_what_waits_to_be_decoded_makes_nothing_later(
    sizes: list[int], turns: dict[int, str], format: AudioFormat
) -> None:
    wire, at, number = _wire(SPOKEN, format), 0, 0
    ears = [Listener(format, LoudnessVad(), CONFIG) for _ in range(2)]
    ears[1].on_audio = lambda _: None  # who is given all audio gets it at once
    while at < len(wire):
        size = sizes[number % len(sizes)]
        came = [_told(ear.push(wire[at : at + size])) for ear in ears]
        at, number = at + size, number + 1
        for ear, told in zip(ears, came, strict=True):
            match turns.get(number):
                case "clear":
                    ear.clear()
                case "end":
                    told += _told(ear.end_utterance())
                case "manual" | "detect" as how:
                    ear.reconfigure(format, CONFIG if how == "detect" else None)
        assert came[0] == came[1]
        assert ears[0].position_ms == ears[1].position_ms


def _told(heard: Iterable[Heard]) -> list[object]:
    return [one.samples.tolist() if isinstance(one, SpeechAudio) else one for one in heard]


@given(wire=st.binary(max_size=3_000), format=st.sampled_from(FORMATS))
@settings(max_examples=40)
def test_any_bytes_are_heard_without_complaint(wire: bytes, format: AudioFormat) -> None:
    listener = Listener(format, None, CONFIG)
    listener.push(wire)
    assert listener.position_ms == len(wire) // format.bytes_per_sample * 1000 // format.rate_hz


# --- real speech, and what is none --------------------------------------------------------------------------


@pytest.mark.no_cover
@pytest.mark.parametrize("clip", clips(), ids=lambda c: c.file)
@pytest.mark.parametrize("format", [PCM24, PCMU], ids=["24k", "phone"])
def test_recorded_speech_is_heard_where_it_is_loud(clip: Clip, format: AudioFormat) -> None:
    speech = clip.read()
    room = white_noise(len(speech) // 16 + 1200, -70)
    recording = mix(np.concatenate((silence(400), speech, silence(700))), room)
    utterances = _utterances(_hear(Listener(format, None, CONFIG), _wire(recording, format)))
    assert utterances
    heard = np.zeros(len(recording) // 320 + 1, bool)
    for started, _, ended in utterances:
        heard[started.start_sample // 320 : -(-ended.end_sample // 320)] = True
    loud = _loud_frames(recording)
    assert heard[: len(loud)][loud].mean() >= 0.98


def _loud_frames(samples: Samples) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Of each 20 ms whether it has, from 300 to 3400 Hz, no less than the loudest 5 % less 20 dB."""
    frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    hz = np.fft.rfftfreq(320, 1 / 16_000)
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(320), axis=1)) ** 2
    db = 10 * np.log10(spectrum[:, (hz >= 300) & (hz <= 3_400)].sum(axis=1) + 1)
    loud: np.ndarray[tuple[int], np.dtype[np.bool_]] = db > np.percentile(db, 95) - 20
    return loud


@pytest.mark.parametrize(
    "noise",
    [
        silence(10_000),
        *(white_noise(10_000, -40, seed) for seed in range(4)),
        *(brown_noise(10_000, -30, seed) for seed in range(4)),
        tone(50, 10_000),
        clicks(10_000),
    ],
    ids=["silence", *(f"white {i}" for i in range(4)), *(f"brown {i}" for i in range(4)), "hum", "typing"],
)
def test_noise_is_no_speech(noise: Samples) -> None:
    assert _hear(Listener(PCM24, None, CONFIG), _wire(noise, PCM24)) == []


# --- what the client does in between ------------------------------------------------------------------------


def test_manual_turns_hand_all_audio_through() -> None:
    listener = Listener(PCM24)
    heard = _hear(listener, _wire(SPOKEN, PCM24))
    assert _events(heard) == []
    assert not listener.is_speaking
    rest = listener.end_utterance()
    assert np.abs(np.concatenate((_audio(heard), _audio(rest))) - SPOKEN.astype(int)).max() < 500
    assert len(_audio(heard)) + len(_audio(rest)) == len(SPOKEN)
    assert listener.end_utterance() == []


@pytest.mark.parametrize("format", [PCM16, PCM24])
def test_the_client_may_end_the_utterance_and_gets_all_of_it(format: AudioFormat) -> None:
    listener = Listener(format, LoudnessVad(), CONFIG)
    spoken = join([silence(500), voice(810)])
    heard = _hear(listener, _wire(spoken, format))
    assert listener.is_speaking
    heard += listener.end_utterance()
    ((started, audio, ended),) = _utterances(heard)
    assert ended.reason is EndReason.COMMITTED
    assert ended.end_sample == len(spoken)
    assert len(audio) == len(spoken) - started.start_sample
    assert not listener.is_speaking


def test_there_is_nothing_to_end_in_silence() -> None:
    listener = Listener(PCM24, None, CONFIG)
    _hear(listener, _wire(silence(500), PCM24))
    assert listener.end_utterance() == []


def test_speech_that_goes_on_after_the_clients_end_follows_without_a_gap() -> None:
    listener = Listener(PCM16, LoudnessVad(), CONFIG)
    _hear(listener, _wire(voice(500), PCM16))
    ended = listener.end_utterance()[-1]
    started = _hear(listener, _wire(voice(500), PCM16))[0]
    assert isinstance(ended, SpeechEnded)
    assert isinstance(started, SpeechStarted)
    assert started.start_sample == ended.end_sample == 8_000


def test_clear_forgets_what_was_said_but_not_the_time() -> None:
    vad = LoudnessVad()
    listener = Listener(PCM24, vad, CONFIG)
    _hear(listener, _wire(join([silence(300), voice(430)]), PCM24) + b"\x01")
    listener.clear()
    assert (listener.is_speaking, vad.resets, listener.position_ms) == (False, 1, 730)
    heard = _hear(listener, _wire(join([silence(100), voice(300)]), PCM24))
    assert isinstance(heard[0], SpeechStarted)
    assert heard[0].start_sample == 730 * 16, "not back across the clear"


def test_clear_forgets_what_manual_turns_hold_back() -> None:
    listener = Listener(PCM24)
    listener.push(_wire(voice(110), PCM24) + b"\x01")
    listener.clear()
    assert listener.end_utterance() == []
    assert not _audio(_hear(listener, bytes(9_600))).any()
    assert listener.position_ms == 310


def test_a_new_format_in_mid_speech_keeps_the_utterance_and_the_clock() -> None:
    listener = Listener(PCM24, LoudnessVad(), CONFIG)
    heard = _hear(listener, _wire(join([silence(500), voice(495)]), PCM24))
    listener.reconfigure(PCMU, CONFIG)
    assert listener.position_ms == 995
    heard += _hear(listener, _wire(join([voice(505, seed=1), silence(800)]), PCMU))
    ((started, audio, ended),) = _utterances(heard)
    assert abs(started.onset_sample - 8_000) <= 320
    assert abs(ended.last_voiced_sample - 24_000) <= 640
    assert len(audio) == ended.end_sample - started.start_sample


def test_a_shorter_silence_ends_the_utterance_sooner() -> None:
    listener = Listener(PCM16, LoudnessVad(), EndpointConfig(silence_duration_ms=2_000))
    heard = _hear(listener, _wire(join([voice(500), silence(300)]), PCM16))
    listener.reconfigure(PCM16, EndpointConfig(silence_duration_ms=200))
    heard += _hear(listener, _wire(silence(20), PCM16), size=640)
    assert _events(heard)[1:] == [SpeechEnded(820 * 16, 500 * 16)]


def test_a_longer_pre_roll_has_the_audio_it_points_to() -> None:
    listener = Listener(PCM16, LoudnessVad(), EndpointConfig(prefix_padding_ms=40))
    heard = _hear(listener, _wire(silence(3_000), PCM16))
    listener.reconfigure(PCM16, EndpointConfig(prefix_padding_ms=1_000))
    heard += _hear(listener, _wire(join([voice(300), silence(600)]), PCM16))
    ((started, audio, ended),) = _utterances(heard)
    assert started.start_sample == (3_000 - 424) * 16, "as far as the old settings kept"
    assert len(audio) == ended.end_sample - started.start_sample


def test_from_detected_to_manual_turns_and_back() -> None:
    listener = Listener(PCM16, LoudnessVad(), CONFIG)
    spoken = voice(505)
    detected = _hear(listener, _wire(spoken, PCM16))
    listener.reconfigure(PCM16, None)
    assert not listener.is_speaking
    more = voice(303, seed=1)
    manual = _hear(listener, _wire(more, PCM16))
    assert np.array_equal(np.concatenate((_audio(detected), _audio(manual))), np.concatenate((spoken, more)))
    listener.reconfigure(PCM16, CONFIG)
    again = _hear(listener, _wire(voice(200, seed=2), PCM16))
    assert again[0] == SpeechStarted(808 * 16, 808 * 16)


def test_a_detector_at_another_rate_is_refused() -> None:
    vad = LoudnessVad()
    vad.rate_hz = 8_000
    with pytest.raises(FormatError, match="the detector listens at 8000 Hz; it must be 16000 Hz"):
        Listener(PCM24, vad, CONFIG)


def test_what_is_kept_for_the_pre_roll_is_bounded() -> None:
    listener = Listener(PCM16, LoudnessVad(), EndpointConfig(prefix_padding_ms=100, min_speech_ms=100))
    _hear(listener, _wire(silence(20_000), PCM16))
    heard = _hear(listener, _wire(voice(200), PCM16))
    assert heard[0] == SpeechStarted(320_000 - 1_600, 320_000)
    assert len(_audio(heard)) == 1_600 + 3_200


# --- soft ends and barge-in -----------------------------------------------------------------------------------

SOFT = EndpointConfig(soft_end_ms=100)
PAUSED = join([silence(500), voice(800), silence(300), voice(400, seed=1), silence(700)])
"""One utterance with a pause in it: from 8000 to 20800, and from 25600 to 32000, of 43200 samples."""

PAUSED_EVENTS: list[EndpointEvent] = [
    SpeechStarted(8_000 - 4_800, 8_000),
    SoftEnd(20_800 + 1_600, 20_800),
    SpeechResumed(25_600, 20_800),
    SoftEnd(32_000 + 1_600, 32_000),
    SpeechEnded(32_000 + 8_000, 32_000),
]


@given(data=st.data())
@settings(max_examples=30)
def test_soft_ends_come_the_same_whatever_the_cut(data: st.DataObject) -> None:
    wire = _wire(PAUSED, PCM16)
    listener = Listener(PCM16, LoudnessVad(), SOFT)
    heard = [h for cut in data.draw(cuts(len(wire))) for h in listener.push(wire[cut])]
    assert _events(heard) == PAUSED_EVENTS
    assert np.array_equal(_audio(heard), PAUSED[3_200:40_000])


def test_the_audio_before_a_soft_end_comes_before_it() -> None:
    heard = _hear(Listener(PCM16, LoudnessVad(), SOFT), _wire(PAUSED, PCM16))
    until = heard.index(PAUSED_EVENTS[1])
    assert len(_audio(heard[:until])) == 22_400 - 3_200


def test_the_silence_to_wait_for_may_be_changed_in_the_pause() -> None:
    listener = Listener(PCM16, LoudnessVad(), SOFT)
    heard = _hear(listener, _wire(PAUSED[:22_400], PCM16))
    assert _events(heard)[-1:] == [SoftEnd(22_400, 20_800)]
    listener.confirm_after(200)
    assert _events(_hear(listener, _wire(PAUSED[22_400:24_000], PCM16))) == [SpeechEnded(24_000, 20_800)]


class MissesLetters(LoudnessVad):
    is_deaf = False

    def score(self, frame: Samples) -> float:
        return 0.0 if self.is_deaf else super().score(frame)


@pytest.mark.parametrize("by_level", [True, False])
def test_what_the_detector_misses_resumes_an_utterance_where_its_level_counts(by_level: bool) -> None:
    vad = MissesLetters()
    listener = Listener(PCM16, vad, EndpointConfig(soft_end_ms=60))
    listener.push(join([silence(500), voice(500), silence(300)]).tobytes())
    listener.confirm_after(1_200, by_level=by_level)
    vad.is_deaf = True
    heard = listener.push(join([silence(800), voice(200, seed=1), silence(300)]).tobytes())
    kinds = [type(event) for event in heard if not isinstance(event, SpeechAudio)]
    assert kinds == ([SpeechResumed, SoftEnd] if by_level else [SpeechEnded])


@pytest.mark.parametrize(("dbfs", "kinds"), [(-59, [SpeechEnded]), (-48, [SpeechResumed, SoftEnd])])
def test_the_noise_of_a_room_comes_and_goes_and_resumes_nothing(dbfs: float, kinds: list[type]) -> None:
    vad = MissesLetters()
    listener = Listener(PCM16, vad, EndpointConfig(soft_end_ms=60))
    listener.push(join([silence(500), voice(500), white_noise(100, -66)]).tobytes())
    listener.confirm_after(1_200, by_level=True)
    vad.is_deaf = True
    room = [white_noise(300, -66), white_noise(200, dbfs, seed=1), white_noise(1_000, -66, seed=2)]
    heard = listener.push(join(room).tobytes())
    assert [type(event) for event in heard if not isinstance(event, SpeechAudio)][: len(kinds)] == kinds


def test_a_barge_in_has_to_last_longer() -> None:
    config = EndpointConfig(min_speech_ms=100, barge_in_min_speech_ms=300)
    listener = Listener(PCM16, LoudnessVad(), None)
    listener.set_agent_audible(True)
    listener.confirm_after(100)  # manual turns: nothing to confirm
    listener.reconfigure(PCM16, config)
    cough = join([silence(500), voice(200), silence(500)])
    assert _events(_hear(listener, _wire(cough, PCM16))) == []
    listener.set_agent_audible(False)
    started, _ = _events(_hear(listener, _wire(cough, PCM16)))
    assert started == SpeechStarted(19_200 + 8_000 - 4_800, 19_200 + 8_000)
