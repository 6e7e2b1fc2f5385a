"""The way out, without a socket: when audio leaves, and how much of it at a time."""

import anyio
import pytest

from audio.formats import AudioFormat
from server.domain.events import ResponseAudio
from server.domain.values import Response
from server.output.audio_queue import BATCH_MS
from server.output.outbound import Outbound
from server.output.stream import OutputStream
from stages.testing.virtual_time import virtual, virtual_loop

FORMAT = AudioFormat()
SAMPLES_A_MS = FORMAT.rate_hz // 1000
RESPONSE = Response("resp_1")


def outbound(*, chunk_ms: int, lead_ms: int = 400) -> Outbound:
    return Outbound(
        lead_ms=lead_ms,
        chunk_ms=chunk_ms,
        max_queued_audio_s=60.0,
        max_unsent_bytes=1 << 20,
        on_overflow=lambda: None,
    )


async def speaking(way_out: Outbound, ms: int) -> OutputStream:
    output = way_out.output(FORMAT, lambda: None)
    await output.audio(RESPONSE, "item_1", bytes(2 * SAMPLES_A_MS * ms))
    output.commit()
    return output


def departures(way_out: Outbound, now: float = 0.0) -> list[tuple[float, list[int]]]:
    """All that leaves: the moments at which the writer would wake, and the chunks that it would find, in ms."""
    found = []
    while True:
        chunks = []
        while isinstance(event := way_out.take(now), ResponseAudio):
            chunks.append(len(event.data) // (2 * SAMPLES_A_MS))
        if chunks:
            found.append((now, chunks))
        due = way_out.next_due(now)
        if due is None:
            return found
        assert due > now, "the writer does not spin"
        now = due


@virtual
async def test_short_chunks_leave_two_by_two_once_the_lead_is_out() -> None:
    way_out = outbound(chunk_ms=20)
    await speaking(way_out, 2000)
    first, *later = departures(way_out, now=0.011)
    assert first == (0.011, [20] * 20)
    assert [chunks for _, chunks in later] == [[20, 20]] * 40
    on_ticks_s = [0.02 + number * BATCH_MS / 1000 for number in range(1, 41)]
    assert [at_s for at_s, _ in later] == pytest.approx(on_ticks_s)


@pytest.mark.parametrize("chunk_ms", [40, 100])
@virtual
async def test_longer_chunks_leave_one_by_one(chunk_ms: int) -> None:
    way_out = outbound(chunk_ms=chunk_ms)
    await speaking(way_out, 2000)
    _, *later = departures(way_out)
    assert {tuple(chunks) for _, chunks in later} == {(chunk_ms,)}
    assert [at_s for at_s, _ in later[:2]] == pytest.approx([chunk_ms / 1000, 2 * chunk_ms / 1000])


@virtual
async def test_the_rest_of_an_answer_does_not_wait_for_more() -> None:
    way_out = outbound(chunk_ms=20)
    await speaking(way_out, 430)
    assert departures(way_out) == [(0.0, [20] * 20), (0.04, [20, 10])]


@pytest.mark.parametrize("chunk_ms", [20, 100])
@virtual
async def test_no_more_than_the_lead_is_on_its_way_and_never_nothing(chunk_ms: int) -> None:
    way_out = outbound(chunk_ms=chunk_ms, lead_ms=200)
    await speaking(way_out, 3000)
    sent_ms = 0
    for at_s, chunks in departures(way_out):
        on_its_way_ms = sent_ms - at_s * 1000
        assert not sent_ms or on_its_way_ms > 50, "the client does not run dry"
        sent_ms += sum(chunks)
        assert sent_ms - at_s * 1000 <= 200 + 1e-6
    assert sent_ms == 3000


@virtual
async def test_more_audio_does_not_wake_a_writer_that_knows_when_the_next_is_due() -> None:
    way_out = outbound(chunk_ms=20)
    output = await speaking(way_out, 1000)
    while way_out.take(0.0) is not None:
        pass
    woken_at = []

    async def wait() -> None:
        await way_out.wait(until=1.0)
        woken_at.append(anyio.current_time())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.sleep(0.1)
        await output.audio(RESPONSE, "item_1", bytes(960))
    assert woken_at == [1.0]


@virtual
async def test_who_waits_for_all_to_have_left_is_not_woken_for_each_chunk() -> None:
    way_out = outbound(chunk_ms=20)
    output = await speaking(way_out, 1000)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(output.sent)
        await anyio.sleep(0.02)
        before = virtual_loop().turns
        for second in range(50):
            assert way_out.take(float(second)) is not None
            await anyio.sleep(0.02)
        turns = virtual_loop().turns - before
    assert not output.has_audio
    assert turns <= 2 * 50 + 2  # two for each sleep of this test
