"""Who has begun a large frame can finish it; who does not finish is not waited for without end."""

from server.gateway.sockets.frame_memory import FINISH_S, FrameMemory


def test_each_claim_has_room_for_a_whole_frame_until_it_says_how_much_it_takes() -> None:
    memory = FrameMemory(total_bytes=250, frame_bytes=100)
    first, second = (memory.claim(lambda: None, 0.0) for _ in range(2))
    assert first is not None
    assert second is not None
    assert memory.claim(lambda: None, 0.0) is None
    first.keep(50)
    assert memory.claim(lambda: None, 0.0) is not None
    second.release()
    second.release()
    assert memory.used_bytes == 150


def test_one_frame_is_taken_at_a_time_however_little_memory_there_is() -> None:
    memory = FrameMemory(total_bytes=10, frame_bytes=100)
    first = memory.claim(lambda: None, 0.0)
    assert first is not None
    assert memory.claim(lambda: None, 0.0) is None
    first.release()
    assert memory.claim(lambda: None, 0.0) is not None


def test_an_unfinished_frame_makes_room_once_somebody_waits_and_it_has_had_its_time() -> None:
    memory, evicted = FrameMemory(total_bytes=200, frame_bytes=100), list[str]()
    whole = memory.claim(lambda: evicted.append("whole"), 0.0)
    memory.claim(lambda: evicted.append("late"), 0.0)
    assert whole is not None
    whole.keep(100)
    assert memory.claim(lambda: None, FINISH_S) is None
    assert memory.claim(lambda: None, FINISH_S + 1) is None
    assert evicted == ["late"]
    assert memory.claim(lambda: None, FINISH_S + 1) is not None
