"""Bytes in, 16 kHz samples and a clock out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.codecs import encode
from audio.formats import AudioFormat, Encoding
from audio.intake import Intake
from tests.support.audio_maker import cuts, tone, voice

PCM24 = AudioFormat()
PCM16 = AudioFormat(rate_hz=16_000)
PCMU = AudioFormat(Encoding.PCMU, 8_000)


def test_the_clock_counts_what_came_in_and_a_flush_catches_up() -> None:
    intake = Intake(PCM24)
    first = intake.push(bytes(2 * 2_400))
    assert (intake.received_samples, intake.received_ms) == (1_600, 100)
    assert intake.emitted_samples == len(first) < 1_600
    assert intake.emitted_samples + len(intake.flush()) == intake.emitted_samples == 1_600


def test_half_a_sample_survives_a_flush_but_not_being_dropped() -> None:
    intake = Intake(PCM16)
    assert len(intake.push(b"\x01")) == len(intake.flush()) == 0
    assert intake.push(b"\x02").tolist() == [0x0201]
    intake.push(b"\x01")
    intake.drop_partial_sample()
    assert intake.push(b"\x02\x03").tolist() == [0x0302]


def test_a_change_of_format_loses_nothing_and_keeps_the_clock() -> None:
    tone_24k, tone_8k = tone(500, 200, rate_hz=24_000), tone(500, 200, rate_hz=8_000)
    intake = Intake(PCM24)
    heard = [intake.push(encode(tone_24k, PCM24))]
    intake.change_format(PCMU)
    assert intake.received_ms == 200
    heard.append(intake.push(encode(tone_8k, PCMU)))
    assert intake.received_ms == 400
    heard.append(intake.flush())
    joined = np.concatenate(heard)
    assert len(joined) == intake.emitted_samples == intake.received_samples == 6_400
    expected = tone(500, 400).astype(int)
    inside = np.r_[100:3_100, 3_300:6_300]
    assert np.abs(joined[inside] - expected[inside]).max() < 0.05 * 4634


def test_what_is_given_back_comes_again() -> None:
    intake = Intake(PCM16)
    samples = intake.push(encode(voice(20), PCM16))
    intake.unread(samples[300:])
    assert intake.emitted_samples == 300
    again = intake.push(encode(voice(10), PCM16))
    assert np.array_equal(again, np.concatenate((samples[300:], voice(10))))
    assert intake.emitted_samples == intake.received_samples == 480


@given(
    steps=st.lists(
        st.one_of(
            st.integers(0, 3_000),
            st.just("flush"),
            st.sampled_from([PCM16, PCM24, PCMU, AudioFormat(rate_hz=22_050)]),
        ),
        max_size=12,
    )
)
@settings(max_examples=60)
def test_the_clock_never_goes_back_nor_behind_what_was_emitted(steps: list[int | str | AudioFormat]) -> None:
    intake = Intake(PCM24)
    clock = emitted = 0
    for step in steps:
        match step:
            case int():
                emitted += len(intake.push(bytes(step)))
            case AudioFormat():
                intake.change_format(step)
            case _:
                emitted += len(intake.flush())
        assert emitted == intake.emitted_samples <= intake.received_samples
        assert intake.received_samples >= clock
        clock = intake.received_samples


@pytest.mark.parametrize("format", [PCM16, PCM24, PCMU, AudioFormat(rate_hz=44_100)])
@given(data=st.data())
@settings(max_examples=15)
def test_any_cut_gives_the_same_samples(format: AudioFormat, data: st.DataObject) -> None:
    wire = encode(voice(150, rate_hz=format.rate_hz), format)
    intake = Intake(format)
    whole = np.concatenate((intake.push(wire), intake.flush()))
    intake = Intake(format)
    cut = [intake.push(wire[piece]) for piece in data.draw(cuts(len(wire)))]
    assert np.array_equal(np.concatenate((*cut, intake.flush())), whole)


@pytest.mark.parametrize("format", [PCM16, PCM24, PCMU, AudioFormat(rate_hz=44_100)], ids=str)
@given(data=st.data(), worth=st.integers(2, 600), is_given_back=st.booleans())
@settings(max_examples=25)
def test_what_waits_for_a_whole_frame_is_the_same_when_it_comes(
    format: AudioFormat, data: st.DataObject, worth: int, is_given_back: bool
) -> None:
    wire = encode(voice(150, rate_hz=format.rate_hz), format)
    whole = Intake(format)
    expected = np.concatenate((whole.push(wire), whole.flush()))
    intake, heard = Intake(format), []
    for piece in data.draw(cuts(len(wire))):
        samples = intake.push(wire[piece], worth, 320)
        assert not len(samples) or len(samples) >= worth
        if is_given_back and len(samples):
            intake.unread(samples[5:])
            samples = samples[:5]
        heard.append(samples)
    assert np.array_equal(np.concatenate((*heard, intake.flush())), expected)
    assert intake.emitted_samples == intake.received_samples == whole.received_samples
