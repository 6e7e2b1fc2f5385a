"""Samples of any cut in, equal frames out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from audio.formats import Samples
from audio.framing import Framer
from tests.support.audio_maker import cuts


def _ramp(n: int) -> Samples:
    return np.arange(n).astype(np.int16)


def test_a_frame_comes_out_when_it_is_full() -> None:
    framer = Framer(4)
    assert framer.push(_ramp(3)) == []
    assert framer.push(_ramp(0)) == []
    frames = framer.push(_ramp(6))
    assert [frame.tolist() for frame in frames] == [[0, 1, 2, 0], [1, 2, 3, 4]]
    assert framer.take().tolist() == [5]
    assert framer.take().tolist() == []


def test_whole_frames_of_one_push_are_not_copied() -> None:
    samples = _ramp(8)
    assert all(np.shares_memory(frame, samples) for frame in Framer(4).push(samples))


@given(data=st.data(), length=st.integers(0, 300), frame_samples=st.integers(1, 70))
def test_any_cut_gives_the_same_frames(data: st.DataObject, length: int, frame_samples: int) -> None:
    samples = _ramp(length)
    framer = Framer(frame_samples)
    frames = [frame for piece in data.draw(cuts(length)) for frame in framer.push(samples[piece])]
    assert all(len(frame) == frame_samples for frame in frames)
    rest = framer.take()
    assert len(rest) == length % frame_samples
    assert np.array_equal(np.concatenate([*frames, rest]), samples)
