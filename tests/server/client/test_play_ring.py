"""What is played, when it is heard, and what a flush leaves of it: the reader is the test itself."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.formats import Samples
from server.client.fader import LONGEST_BLOCK
from server.client.play_ring import PlayRing
from server.client.sample_ring import SampleRing

RATE_HZ = 1000  # a sample a millisecond: the ramps are easy to count
LOUD = 16_000


def loud(count: int, value: int = LOUD) -> Samples:
    return np.full(count, value, np.int16)


@dataclass
class Loudspeaker:
    """Asks for blocks, each heard right after the one before."""

    ring: PlayRing = field(default_factory=lambda: PlayRing(RATE_HZ, capacity_s=1.0))
    late_s: float = 0.0
    """How long after it was read a block is heard."""
    now_s: float = 0.0

    def play(self, count: int) -> list[int]:
        out = np.full(count, -1, np.int16)
        self.ring.read(out, self.now_s + self.late_s)
        self.now_s += count / RATE_HZ
        return [int(sample) for sample in out]

    def heard(self) -> int:
        return self.ring.heard(self.now_s)


# --- playing ------------------------------------------------------------------------------------------------


def test_what_is_written_is_played_in_order_and_then_silence() -> None:
    speaker = Loudspeaker()
    speaker.ring.write(loud(3, 5))
    speaker.ring.write(loud(3, 6))
    assert speaker.ring.waiting == 6
    assert speaker.play(4) == [5, 5, 5, 6]
    assert (speaker.heard(), speaker.ring.waiting) == (4, 2)
    assert speaker.play(4) == [6, 6, 0, 0]
    assert speaker.heard() == 6


def test_what_does_not_fit_is_refused_whole_and_fits_later() -> None:
    speaker = Loudspeaker()
    assert speaker.ring.write(loud(900))
    assert not speaker.ring.write(loud(101))
    speaker.play(1)
    assert speaker.ring.write(loud(101, 7))
    speaker.play(899)
    assert speaker.play(101) == [7] * 101


def test_a_block_is_heard_when_the_loudspeaker_says_and_to_the_sample() -> None:
    speaker = Loudspeaker(late_s=0.050)
    speaker.ring.write(loud(100))
    for heard in (0, 0, 10, 30, 50, 70):
        speaker.play(20)
        assert speaker.heard() == heard
    assert [speaker.ring.heard(at_s) for at_s in (0.0505, 0.051, 0.0999, 9.0)] == [0, 1, 49, 100]


def test_a_long_block_is_played_whole() -> None:
    speaker = Loudspeaker(PlayRing(RATE_HZ, capacity_s=20.0))
    speaker.ring.write(np.arange(2 * LONGEST_BLOCK + 7, dtype=np.int16))
    assert speaker.play(2 * LONGEST_BLOCK + 7) == list(range(2 * LONGEST_BLOCK + 7))
    assert speaker.heard() == 2 * LONGEST_BLOCK + 7


def test_running_dry_is_an_underrun_and_the_end_of_an_answer_is_none() -> None:
    speaker = Loudspeaker()
    speaker.play(8)
    assert speaker.ring.underruns == 0
    speaker.ring.write(loud(4))
    speaker.play(8)
    speaker.play(8)
    assert speaker.ring.underruns == 1
    speaker.ring.write(loud(4))
    speaker.ring.end()
    speaker.play(8)
    assert speaker.ring.underruns == 1
    speaker.ring.write(loud(4))
    speaker.play(8)
    assert speaker.ring.underruns == 2


# --- lowering and holding -----------------------------------------------------------------------------------


def test_a_lowered_voice_goes_on_softly_and_without_a_step() -> None:
    speaker = Loudspeaker()
    speaker.ring.write(loud(400))
    speaker.ring.duck()
    out = speaker.play(100)
    steps = [before - after for before, after in zip([LOUD, *out], out, strict=False)]
    assert max(steps) <= LOUD / 60 + 1
    assert min(steps) >= 0
    assert out[-1] == LOUD // 4
    speaker.ring.resume()
    assert speaker.play(200)[-1] == LOUD
    assert speaker.heard() == 300


def test_a_voice_that_is_held_stays_where_it_is_and_loses_nothing() -> None:
    speaker = Loudspeaker()
    speaker.ring.write(loud(200))
    speaker.ring.pause()
    out = speaker.play(100)
    assert out[25:] == [0] * 75
    held_at = speaker.heard()
    assert held_at == 25
    assert speaker.play(50) == [0] * 50
    assert (speaker.heard(), speaker.ring.underruns) == (held_at, 0)
    speaker.ring.resume()
    speaker.play(175)
    assert speaker.heard() == 200


# --- flushing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [1, 3, 8, 20])
def test_a_flush_fades_out_within_8_ms_and_throws_the_rest_away(block: int) -> None:
    speaker = Loudspeaker()
    speaker.ring.write(loud(500))
    speaker.play(10)
    speaker.ring.flush()
    assert (speaker.ring.waiting, speaker.ring.cut_at) == (0, None)
    out = [sample for _ in range(0, 24, block) for sample in speaker.play(block)]
    assert LOUD > out[0] > out[3] > 0
    assert set(out[8:]) == {0}
    cut_at = speaker.ring.cut_at
    assert cut_at is not None
    assert cut_at in (17, 18)
    assert (speaker.heard(), speaker.ring.underruns) == (cut_at, 0)


def test_what_is_written_behind_a_flush_is_played_at_once_and_loud() -> None:
    speaker = Loudspeaker()
    speaker.ring.write(loud(100))
    speaker.play(10)
    speaker.ring.flush()
    speaker.ring.write(loud(5, 9))
    out = speaker.play(20)
    assert out[8:13] == [9] * 5
    assert (speaker.ring.cut_at, speaker.heard()) == (18, 105)


def test_of_a_voice_that_had_not_begun_nothing_is_heard() -> None:
    speaker = Loudspeaker()
    speaker.ring.write(loud(100))
    for _ in range(2):
        speaker.ring.flush()
        assert speaker.play(20) == [0] * 20
        assert (speaker.ring.cut_at, speaker.heard()) == (0, 0)
        speaker.ring.write(loud(10))


def test_a_held_voice_is_cut_where_it_was_held() -> None:
    speaker = Loudspeaker()
    speaker.ring.write(loud(100))
    speaker.ring.pause()
    speaker.play(50)
    speaker.ring.flush()
    speaker.ring.write(loud(10, 9))
    assert speaker.play(4) == [9] * 4
    assert speaker.ring.cut_at == 25


def test_a_flush_of_nothing_cuts_where_the_voice_had_ended() -> None:
    speaker = Loudspeaker()
    speaker.ring.write(loud(10))
    speaker.play(20)
    speaker.ring.flush()
    assert speaker.ring.cut_at == 10
    speaker.ring.write(loud(10, 9))
    assert speaker.play(2) == [9, 9]


Deeds = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 300)),
        st.tuples(st.just("read"), st.integers(1, 300)),
        st.tuples(st.sampled_from(["flush", "duck", "pause", "resume", "end"]), st.just(0)),
    ),
    max_size=60,
)


@given(Deeds)
def test_whatever_happens_places_only_rise_and_nothing_flushed_is_heard(
    deeds: Iterable[tuple[str, int]],
) -> None:
    speaker, ring = (loudspeaker := Loudspeaker()), loudspeaker.ring
    heard, flushes = 0, [0]
    for deed, count in deeds:
        if deed == "write":
            ring.write(loud(count))
        elif deed == "read":
            speaker.play(count)
            before, heard = heard, speaker.heard()
            assert before <= heard <= ring.written
            assert heard <= before + count or any(before < place < heard for place in flushes)
            assert ring.cut_at is None or ring.cut_at <= flushes[-1]
        else:
            getattr(ring, deed)()
            if deed == "flush":
                flushes.append(ring.written)
    ring.resume()
    left = ring.waiting
    if left:
        speaker.play(8 + left)
        assert (speaker.heard(), ring.waiting) == (ring.written, 0)


# --- the ring below -----------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=50))
def test_a_ring_gives_back_what_was_put_in(steps: Iterable[tuple[int, int]]) -> None:
    ring, put, taken = SampleRing(16), list[int](), list[int]()
    for to_put, to_take in steps:
        samples = np.arange(len(put), len(put) + to_put, dtype=np.int16)
        if ring.put(samples):
            put += samples.tolist()
        else:
            assert len(put) - len(taken) + to_put > 16
        out = np.zeros(to_take, np.int16)
        taken += out[: ring.take(out)].tolist()
        assert ring.waiting == len(put) - len(taken)
    assert taken == put[: len(taken)]
