"""A client that does not take the answer's audio is told so in seconds; a network that stalls for a moment is not."""

from collections.abc import Callable
from dataclasses import dataclass

import anyio
import pytest

from audio.formats import AudioFormat
from audio.pacing import Pacer
from server.dialects.realtime.dialect import RealtimeDialect
from server.dialects.voice.dialect import VoiceDialect
from server.domain.events import AudioCleared
from server.domain.values import Response, SessionConfig
from server.domain.wire import WireClosed
from server.output.link import Link
from server.output.outbound import Outbound
from server.output.unread import MAX_PIECES, UnreadPlayout
from server.output.writer import Writer
from stages.testing.virtual_time import virtual

BYTES_PER_S = 48_000
MAX_UNREAD_S = 2.0
LEAD_MS = 1500


def test_audio_is_unread_until_the_socket_has_taken_it_whole() -> None:
    unread = UnreadPlayout()
    unread.sent(100, 0.5)
    unread.sent(300, 1.0)
    assert unread.seconds(99) == 1.5
    assert unread.seconds(100) == 1.0
    assert unread.seconds(300) == 0.0


def test_short_pieces_are_counted_together_and_only_so_many_are_remembered() -> None:
    unread = UnreadPlayout()
    for end_bytes in range(13):
        unread.sent(end_bytes, 0.02)
    assert unread.seconds(11) == pytest.approx(0.26)
    assert unread.seconds(12) == 0.0
    for end_bytes in range(1000):
        unread.sent(end_bytes, 1.0)
    assert unread.seconds(0) == MAX_PIECES


class StallingWire:
    """A connection with a small buffer, whose network takes nothing while it stalls, and whose system takes
    `SYSTEM_BYTES` all the same."""

    latency_s = 0.0
    close_code: int | None = None
    BUFFER_BYTES = 24_000
    SYSTEM_BYTES = 0

    def __init__(self) -> None:
        self.unsent_bytes = 0
        self.pacer = Pacer(24_000)
        """Of what is sent to it."""
        self.sent_bytes = 0
        self.is_closed = False
        self._flows = anyio.Event()
        self._flows.set()

    def stall(self) -> None:
        self._flows = anyio.Event()

    @property
    def buffered_bytes(self) -> int:
        return max(0, self.unsent_bytes - self.SYSTEM_BYTES)

    def flow(self) -> None:
        self.unsent_bytes = 0
        self._flows.set()

    def hang_up(self) -> None:
        self.is_closed = True
        self.flow()

    async def receive(self) -> str | bytes | None:
        raise NotImplementedError

    async def send(self, frame: str | bytes) -> None:
        if self.is_closed:
            raise WireClosed
        self.sent_bytes += len(frame)
        if not self._flows.is_set():
            self.unsent_bytes += len(frame)
            if self.buffered_bytes > self.BUFFER_BYTES:
                await self._flows.wait()

    async def close(self, code: int, reason: str) -> None:
        raise NotImplementedError


@dataclass
class Time:
    """Nothing is due but what is to be sent."""

    outbound: Outbound

    def wake_at(self, now: float) -> float:
        return min(self.outbound.next_due(now) or 3600.0, 3600.0)

    def tick(self, now: float) -> None:
        """There is nothing to do."""

    def audio_left(self, size_bytes: int) -> None:
        """Nobody estimates."""


async def speak(
    seconds: float,
    conduct: Callable[[StallingWire, Outbound], object],
    lead_ms: int = LEAD_MS,
    wire: StallingWire | None = None,
) -> tuple[str | None, float]:
    """Speak to a client whose network does what `conduct` says; what the writer ended with, and when."""
    wire = wire or StallingWire()
    outbound = Outbound(
        lead_ms=lead_ms,
        chunk_ms=100,
        max_queued_audio_s=600,
        max_unsent_bytes=1 << 20,
        on_overflow=lambda: None,
    )
    time = Time(outbound)
    writer = Writer(
        Link(wire),
        VoiceDialect(RealtimeDialect(SessionConfig())),
        outbound,
        patience_s=10.0,
        max_unread_s=MAX_UNREAD_S,
        now=anyio.current_time,
        time=time,
        playout=time,
    )
    output = outbound.output(AudioFormat(), lambda: None)
    output.commit()
    wire.pacer = output.pacer
    ended: list[tuple[str | None, float]] = []

    async def write() -> None:
        ended.append((await writer.run(), anyio.current_time()))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        if seconds:
            await output.audio(Response("resp_1"), "item_1", bytes(int(seconds * BYTES_PER_S)))
        await conduct(wire, outbound)  # type: ignore[misc]
    return ended[0]


@pytest.mark.parametrize("at_s", [0.0, 0.3, 4.0])
def test_a_network_that_stalls_for_a_second_and_a_half_is_survived(at_s: float) -> None:
    async def conduct(wire: StallingWire, outbound: Outbound) -> None:
        await anyio.sleep(at_s)
        for _ in range(2):
            wire.stall()
            await anyio.sleep(1.5)
            wire.flow()
            await anyio.sleep(3.0)
        await anyio.sleep(30)
        assert wire.sent_bytes >= 20 * BYTES_PER_S
        wire.hang_up()
        outbound.put(AudioCleared())

    @virtual
    async def story() -> None:
        how, _ = await speak(20, conduct)
        assert how is None

    story()


class Buffered(StallingWire):
    SYSTEM_BYTES = 4 << 20


@pytest.mark.parametrize("wire", [StallingWire, Buffered])
@pytest.mark.parametrize("at_s", [0.01, 4.0])  # when the lead has left, in however many turns of the loop
@pytest.mark.parametrize("is_lead_lengthened", [False, True])
def test_a_client_that_stops_reading_is_found_out_by_its_unread_audio(
    at_s: float, wire: type[StallingWire], *, is_lead_lengthened: bool
) -> None:
    """Whatever the system takes for it, and however much more it is sent because it seems to run dry."""
    more_ms = 1000 if is_lead_lengthened else 0

    async def conduct(wire: StallingWire, outbound: Outbound) -> None:
        await anyio.sleep(at_s)
        wire.stall()
        await anyio.sleep(0.5)
        outbound.lead_ms += more_ms
        wire.pacer.set_lead_ms(outbound.lead_ms)

    @virtual
    async def story() -> None:
        how, ended_at = await speak(60, conduct, wire=wire())
        assert (
            how
            == f"more than {(LEAD_MS + more_ms) / 1000 + MAX_UNREAD_S:g} s of the answer's audio are unread"
        )
        assert (
            -0.25 < ended_at - (at_s + LEAD_MS / 1000 + MAX_UNREAD_S) < (1.1 if is_lead_lengthened else 0.5)
        )

    story()


@pytest.mark.parametrize(("stall_s", "is_survived"), [(4.0, True), (8.0, False)])
def test_who_was_sent_audio_far_ahead_survives_a_longer_stall(stall_s: float, is_survived: bool) -> None:
    async def conduct(wire: StallingWire, outbound: Outbound) -> None:
        await anyio.sleep(8.0)
        wire.stall()
        await anyio.sleep(stall_s)
        wire.hang_up()
        outbound.put(AudioCleared())

    @virtual
    async def story() -> None:
        how, _ = await speak(60, conduct, lead_ms=5000)
        assert (how is None) is is_survived

    story()


def test_without_audio_a_frame_may_take_longer() -> None:
    async def conduct(wire: StallingWire, outbound: Outbound) -> None:
        wire.stall()
        wire.unsent_bytes = wire.BUFFER_BYTES
        outbound.put(AudioCleared())

    @virtual
    async def story() -> None:
        how, ended_at = await speak(0, conduct)
        assert how == "the client does not read what it is sent"
        assert 5.0 <= ended_at <= 10.0

    story()
