"""Audio files, good and bad."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audio.errors import AudioFileError
from audio.files import encode_wav, read_audio, write_wav
from tests.support.audio_maker import clips, tone

SAMPLES = tone(440, 50)


def test_wav_round_trip_is_exact(tmp_path: Path) -> None:
    edges = np.array([-32768, -1, 0, 1, 32767], np.int16)
    write_wav(tmp_path / "edges.wav", edges, 22_050)
    samples, rate_hz = read_audio(tmp_path / "edges.wav")
    assert samples.dtype == np.int16
    assert samples.tolist() == edges.tolist()
    assert rate_hz == 22_050


@pytest.mark.parametrize(("name", "subtype"), [("a.flac", "PCM_16"), ("a.wav", "FLOAT"), ("a.wav", "PCM_24")])
def test_other_formats_read_the_same(tmp_path: Path, name: str, subtype: str) -> None:
    soundfile.write(tmp_path / name, SAMPLES.astype(np.float64) / 32768, 16_000, subtype=subtype)
    assert np.array_equal(read_audio(str(tmp_path / name))[0], SAMPLES)


def test_lossy_formats_read(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.ogg", SAMPLES, 16_000)
    samples, rate_hz = read_audio(tmp_path / "a.ogg")
    assert (len(samples), rate_hz) == (len(SAMPLES), 16_000)


def test_channels_are_averaged(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "stereo.wav", np.array([[100, 300], [-500, 0]], np.int16), 48_000)
    assert read_audio(tmp_path / "stereo.wav")[0].tolist() == [200, -250]


def test_the_recorded_clips_are_as_long_as_their_manifest_says() -> None:
    for clip in clips():
        assert len(clip.read()) / 16_000 == pytest.approx(clip.seconds, abs=0.01), clip.file


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match=r"nowhere\.wav: No such file"):
        read_audio(tmp_path / "nowhere.wav")
    with pytest.raises(AudioFileError, match="Is a directory"):
        read_audio(tmp_path)
    with pytest.raises(AudioFileError, match=r"a\.wav: No such file"):
        write_wav(tmp_path / "no" / "a.wav", SAMPLES, 16_000)


@pytest.mark.parametrize(
    ("name", "data"), [("text.wav", b"not audio"), ("noise.raw", bytes(999)), ("a.mp3", b"")]
)
def test_what_is_not_audio_says_so(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(AudioFileError, match=name):
        read_audio(tmp_path / name)


def test_a_file_without_samples_says_so(tmp_path: Path) -> None:
    write_wav(tmp_path / "empty.wav", SAMPLES[:0], 16_000)
    with pytest.raises(AudioFileError, match=r"empty\.wav: no samples in it"):
        read_audio(tmp_path / "empty.wav")


def test_a_header_that_claims_a_terabyte_is_not_believed(tmp_path: Path) -> None:
    file = io.BytesIO()
    soundfile.write(file, SAMPLES, 16_000, format="FLAC")
    data = bytearray(file.getvalue())
    data[21] |= 0x0F  # STREAMINFO's 36 bits of total samples, all ones
    data[22:26] = b"\xff" * 4
    (tmp_path / "a.flac").write_bytes(data)
    with pytest.raises(AudioFileError, match=r"a\.flac"):
        read_audio(tmp_path / "a.flac")


def test_a_long_file_is_read_whole(tmp_path: Path) -> None:
    long = np.arange(200_000).astype(np.int16)
    write_wav(tmp_path / "long.wav", long, 48_000)
    assert np.array_equal(read_audio(tmp_path / "long.wav")[0], long)


@given(at=st.integers(0, 60), junk=st.binary(max_size=20), keep=st.integers(0, 120))
def test_a_damaged_file_is_audio_or_an_audio_file_error(
    at: int, junk: bytes, keep: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = encode_wav(SAMPLES[:40], 16_000)
    damaged = tmp_path_factory.getbasetemp() / "damaged.wav"
    damaged.write_bytes((data[:at] + junk + data[at + len(junk) :])[:keep])
    try:
        samples, _ = read_audio(damaged)
    except AudioFileError:
        return
    assert samples.dtype == np.int16
