"""What is kept of the frames that were sent, and what is told of those that are not."""

from server.output.replay_ring import ReplayRing


def test_a_frame_that_is_larger_than_the_ring_is_numbered_and_not_kept() -> None:
    ring = ReplayRing(max_bytes=4)
    for frame in ("one", "large", "two"):
        ring.append(frame, 0.0)
    assert (ring.last_seq, ring.before) == (3, 2)
    assert ring.after(2) == ["two"]
    assert ring.after(1) is None
    ring.append("larger", 0.0)
    assert (ring.last_seq, ring.before, ring.after(4)) == (4, 4, [])


def test_what_is_too_old_is_forgotten() -> None:
    ring = ReplayRing(max_s=2.0)
    for second in range(5):
        ring.append(b"frame", float(second))
    assert ring.before == 2
