"""Wire bytes to samples and back, however they were cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.codecs import CODECS, Decoder, encode
from audio.formats import AudioFormat, Encoding
from tests.support.audio_maker import cuts, voice

FORMATS = [AudioFormat(), AudioFormat(Encoding.PCMU, 8_000), AudioFormat(Encoding.PCMA, 8_000)]


def test_every_encoding_has_a_codec() -> None:
    assert set(CODECS) == set(Encoding)


def test_pcm16_is_little_endian() -> None:
    assert Decoder(AudioFormat()).decode(b"\x01\x00\xff\xff\x00\x80").tolist() == [1, -1, -32768]
    assert encode(np.array([1, -1, -32768], np.int16), AudioFormat()) == b"\x01\x00\xff\xff\x00\x80"


@pytest.mark.parametrize("format", FORMATS, ids=lambda f: f.encoding)
def test_what_was_encoded_decodes_to_nearly_the_same(format: AudioFormat) -> None:
    samples = voice(200)
    data = encode(samples, format)
    assert len(data) == len(samples) * format.bytes_per_sample
    decoded = Decoder(format).decode(data)
    assert decoded.dtype == np.int16
    noise = decoded.astype(float) - samples
    assert noise.std() <= 0.02 * samples.std(), "G.711 has 37 dB between signal and noise"


def test_half_a_sample_waits_for_its_other_half() -> None:
    decoder = Decoder(AudioFormat())
    assert decoder.decode(b"\x01").tolist() == []
    assert decoder.decode(b"\x02\x03").tolist() == [0x0201]
    assert decoder.decode(b"\x04").tolist() == [0x0403]


def test_reset_forgets_half_a_sample() -> None:
    decoder = Decoder(AudioFormat())
    decoder.decode(b"\x01")
    decoder.reset()
    assert decoder.decode(b"\x02\x03").tolist() == [0x0302]


@given(data=st.data(), wire=st.binary(max_size=200), format=st.sampled_from(FORMATS))
def test_any_bytes_cut_anywhere_are_the_same_samples(
    data: st.DataObject, wire: bytes, format: AudioFormat
) -> None:
    whole = Decoder(format).decode(wire)
    decoder = Decoder(format)
    cut = [decoder.decode(wire[piece]) for piece in data.draw(cuts(len(wire)))]
    assert np.array_equal(np.concatenate(cut), whole)
