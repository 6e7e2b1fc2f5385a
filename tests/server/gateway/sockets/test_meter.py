"""What input costs, as arithmetic on literal seconds, and the memory of a large message."""

import pytest

from server.gateway.sockets.frame_memory import LARGE_BYTES, FrameMemory
from server.gateway.sockets.large_message import LargeMessage
from server.gateway.sockets.meter import FRAME_COST_BYTES, STEP_BYTES, IntakeLimits, Meter


def test_a_client_within_its_limits_waits_for_nobody() -> None:
    meter = Meter(IntakeLimits(), 10.0)
    meter.frames = 1
    assert meter.pay(2_000, 10.0) is None


def test_frames_cost_however_small_they_are_and_others_have_their_turn() -> None:
    meter = Meter(IntakeLimits(), 10.0)
    meter.frames = STEP_BYTES // FRAME_COST_BYTES + 1
    assert meter.pay(0, 10.0) == 0.0
    meter.frames = 0
    meter.begin_step()
    assert meter.pay(1, 10.0) is None


def test_who_has_spent_it_all_waits_until_the_bucket_is_refilled() -> None:
    meter = Meter(IntakeLimits(bytes_per_s=1_000, burst_bytes=20_000), 10.0)
    wait_s = meter.pay(21_000, 10.0)
    assert wait_s == pytest.approx((1_000 + STEP_BYTES / 8) / 1_000)


def test_a_large_message_has_its_memory_until_it_is_dealt_with() -> None:
    memory = FrameMemory(2 * LARGE_BYTES, LARGE_BYTES)
    message = LargeMessage(memory, lambda: None)
    assert not message.take(100, is_last=True), "a small one needs none"
    assert message.has_room(LARGE_BYTES, 1.0)
    assert memory.used_bytes == 0
    assert message.has_room(LARGE_BYTES + 1, 1.0)
    assert memory.used_bytes == LARGE_BYTES
    assert not message.take(LARGE_BYTES, is_last=False)
    assert message.take(500, is_last=True)
    assert memory.used_bytes == 500
    message.release()
    assert memory.used_bytes == 0


def test_where_there_is_no_memory_there_is_no_room_and_who_is_late_is_told() -> None:
    memory, told = FrameMemory(LARGE_BYTES, LARGE_BYTES), list[str]()
    first = LargeMessage(memory, lambda: told.append("first"))
    second = LargeMessage(memory, lambda: told.append("second"))
    assert first.has_room(LARGE_BYTES + 1, 0.0)
    assert not second.has_room(LARGE_BYTES + 1, 1.0)
    assert not second.has_room(LARGE_BYTES + 1, 1_000.0)
    assert told == ["first"]
    assert second.has_room(LARGE_BYTES + 1, 1_000.25)
