"""A session outlives its connection, if it is given the time."""

import asyncio
import json

import anyio
import pytest

from server.dialects.realtime.dialect import RealtimeDialect
from server.dialects.voice.dialect import VoiceDialect
from server.dialects.voice.frames import Stream, pack_frame
from server.domain.errors import ClientError, SessionOver
from server.domain.values import ResumeOffer, SessionConfig
from server.domain.wire import WireClosed
from server.output.link import stop_hearing
from server.session.closing import CLOSE_DEADLINE_S, COME_BACK, see_off
from stages.testing.fakes import Conduct, Said
from tests.support.stage import AUDIO, LONG, QueueWire, Stage, play, realtime, voice_v1

GRACE_S = 5.0
SLOW = Said("It is noon now.", conduct=Conduct(delay_s=2.0))


class BrokenWire(QueueWire):
    """Takes so many frames, and then no more."""

    def __init__(self) -> None:
        super().__init__()
        self.takes = 1 << 30

    async def send(self, frame: str | bytes) -> None:
        if len(self.seen) >= self.takes:
            raise WireClosed
        await super().send(frame)


class FullWire(QueueWire):
    """Takes nothing behind the first event of a type."""

    buffered_bytes = 1

    def __init__(self) -> None:
        super().__init__()
        self.last = ""

    async def send(self, frame: str | bytes) -> None:
        await super().send(frame)
        if isinstance(frame, str) and json.loads(frame)["type"] == self.last:
            await anyio.sleep_forever()


def ids(*wires: QueueWire) -> list[str]:
    return [event["event_id"] for wire in wires for event in wire.events() if "event_id" in event]


def numbered(first: int, last: int) -> list[str]:
    return [f"event_{number}" for number in range(first, last + 1)]


def test_without_grace_a_session_is_over_with_its_connection() -> None:
    async def story(stage: Stage) -> None:
        stage.wire.hang_up()
        await anyio.sleep(0.1)
        assert stage.wire.closed == (1000, "")
        with pytest.raises(WireClosed):
            stage.session.link.attach(QueueWire())

    play(lambda: Stage("Hello."), story)


def test_what_was_said_meanwhile_is_sent_over_the_next_connection() -> None:
    """The answer is made while nobody is there: none of its events is lost or doubled, and they come in order."""
    first, second = QueueWire(), QueueWire()

    async def story(stage: Stage) -> None:
        nonlocal first
        first = stage.wire
        stage.ask("what time is it")
        await first.until("response.created")
        first.hang_up()
        await anyio.sleep(4.0)
        assert "response.done" not in first.types()
        stage.wire = second
        assert stage.session.link.attach(second) is first
        await second.until("response.done")
        stage.ask("and now?")
        await second.until("response.done", 2)

    stage = play(lambda: Stage(SLOW, "It is one.", dialect=realtime, grace_s=GRACE_S), story)
    told = ids(first, second)
    assert told == numbered(1, len(told))
    assert ids(second)
    assert stage.wire.closed == (1000, "")


@pytest.mark.parametrize("takes", [3, 5, 8, 13, 21, 34])
def test_a_connection_that_breaks_while_it_is_sent_to_loses_nothing(takes: int) -> None:
    broken, second = BrokenWire(), QueueWire()

    async def story(stage: Stage) -> None:
        broken.takes = takes
        stage.session.link.attach(broken)
        stage.wire.hang_up()
        await anyio.sleep(0.1)
        stage.wire = broken
        stage.ask("what time is it")
        await anyio.sleep(6.0)
        stage.session.link.attach(second)
        broken.hang_up()
        stage.wire = second
        await second.until("response.done")

    first: list[QueueWire] = []

    def stage_of() -> Stage:
        stage = Stage(LONG, dialect=voice_v1, grace_s=GRACE_S)
        first.append(stage.wire)
        return stage

    play(stage_of, story)
    told = ids(*first, broken, second)
    assert told == numbered(1, len(told))
    frames = [event for wire in (broken, second) for event in wire.events() if event["type"] == AUDIO]
    ends = [frame["offset_samples"] + len(frame["data"]) // 2 for frame in frames]
    assert frames[0]["offset_samples"] == 0
    assert [frame["offset_samples"] for frame in frames[1:]] == ends[:-1]
    assert len(broken.seen) == takes


@pytest.mark.no_cover
@pytest.mark.parametrize("turns", range(24))
def test_no_frame_of_the_microphone_is_heard_twice_whenever_its_client_comes_back(turns: int) -> None:
    """After so many turns of the loop, be it in the middle of what had come at once."""
    dialects: list[VoiceDialect] = []
    frames = [pack_frame(Stream.MICROPHONE, 0, 240 * n, bytes(480)) for n in range(60)]

    def of(config: SessionConfig) -> VoiceDialect:
        dialects.append(VoiceDialect(RealtimeDialect(config)))
        return dialects[-1]

    async def story(stage: Stage) -> None:
        for frame in frames:
            stage.wire.say_raw(frame)
        for _ in range(turns):
            await asyncio.sleep(0)
        greeting = dialects[0].resumed(ResumeOffer("token", GRACE_S), 0)
        stage.wire, before = QueueWire(), stage.wire
        stage.session.link.attach(stage.wire, 0, greeting)
        before.hang_up()
        for frame in frames[json.loads(greeting)["microphone_offset"] // 240 :]:
            stage.wire.say_raw(frame)
        stage.wire.say("x_ping")
        await stage.wire.until("x_pong")
        assert "error" not in stage.wire.types()

    play(lambda: Stage("Hello.", dialect=of, grace_s=GRACE_S), story)


def test_the_deadline_of_a_session_without_a_connection_ends_it() -> None:
    async def story(stage: Stage) -> None:
        await anyio.sleep(1.0)
        stage.wire.hang_up()
        await anyio.sleep(GRACE_S - 0.1)
        assert stage.wire.closed is None
        await anyio.sleep(0.2)
        assert stage.wire.closed == (1000, "")

    play(lambda: Stage("Hello.", grace_s=GRACE_S), story)


def test_a_second_connection_takes_over_from_one_that_is_still_there() -> None:
    first, second = QueueWire(), QueueWire()

    async def story(stage: Stage) -> None:
        nonlocal first
        first = stage.wire
        await first.until("session.created")
        await stage.session.link.attach(second).close(1000, "taken over")
        first.say("response.create")  # too late: it has another
        stage.wire = second
        stage.ask("what time is it")
        await second.until("response.done")

    play(lambda: Stage("It is noon.", grace_s=GRACE_S), story)
    assert first.closed == (1000, "taken over")
    assert second.types().count("response.created") == 1
    assert "error" not in second.types()


@pytest.mark.parametrize("how", ["handed over", "dropped"])
def test_the_rest_of_an_event_that_the_line_did_not_take_is_not_lost(how: str) -> None:
    """A response's end is two frames."""
    first, full, second = QueueWire(), FullWire(), QueueWire()
    full.last = "response.done"

    async def story(stage: Stage) -> None:
        nonlocal first
        first = stage.wire
        await first.until("x_voices")
        stage.session.link.attach(full)
        stage.wire = full
        stage.ask("what time is it")
        await full.until("response.done")
        if how == "handed over":
            seen = len(first.seen) + len(full.seen)
            missed = stage.session.snapshot(seen).missed(seen)
            assert missed is not None
            assert [json.loads(frame)["type"] for frame in missed][:1] == ["rate_limits.updated"]
        await anyio.sleep(30.0)
        assert full.closed is not None, "it does not read"
        stage.session.link.attach(second, len(first.seen) + len(full.seen))
        stage.wire = second
        if how == "dropped":
            await second.until("rate_limits.updated")

    play(lambda: Stage("It is noon.", dialect=voice_v1, grace_s=100.0), story)
    if how == "dropped":
        told = ids(first, full, second)
        assert told == numbered(1, len(told))


def test_a_session_that_has_not_begun_knows_already_when_its_time_is_over() -> None:
    """Another node that goes on with it would end it at once."""
    ends_at: list[int] = []

    def stage_of() -> Stage:
        stage = Stage("Hello.")
        ends_at.append(stage.session.snapshot().ends_at_unix_s)
        return stage

    async def story(stage: Stage) -> None:
        await stage.wire.until("session.created")
        ends_at.append(stage.session.snapshot().ends_at_unix_s)

    play(stage_of, story)
    assert ends_at[0] == ends_at[1] > 0


def test_what_a_client_says_that_was_sent_away_is_not_heard_and_the_line_is_closed_if_it_stays() -> None:
    """It says it again over its next connection, and is answered once."""
    second = QueueWire()

    async def story(stage: Stage) -> None:
        first, link = stage.wire, stage.session.link
        await first.until("session.created")
        stop_hearing(link)
        stage.ask("what time is it")
        await see_off(link)
        assert (first.closed or (0, ""))[0] == COME_BACK
        assert link.is_detached
        assert link.received_events == 0
        first.hang_up()
        link.attach(second)
        stage.wire = second
        await anyio.sleep(0.5)
        assert "response.created" not in second.types()
        stage.ask("what time is it")
        await second.until("response.done")

    play(lambda: Stage("It is noon.", grace_s=GRACE_S), story)


def test_a_client_that_has_come_back_by_then_is_not_sent_off_again() -> None:
    async def story(stage: Stage) -> None:
        first, second = stage.wire, QueueWire()
        link = stage.session.link
        await first.until("session.created")
        stop_hearing(link)
        stage.wire = second
        link.attach(second)
        await see_off(link)
        assert second.closed is None
        stage.ask("what time is it")
        await second.until("response.done")

    play(lambda: Stage("It is noon.", grace_s=GRACE_S), story)


@pytest.mark.parametrize("wire", [BrokenWire(), FullWire()])
def test_a_session_whose_client_cannot_be_told_why_it_is_over_is_closed_all_the_same(
    wire: BrokenWire | FullWire,
) -> None:
    why = ClientError("session_idle", "nothing was said for an hour")

    async def story(stage: Stage) -> None:
        stage.wire = wire
        stage.session.link.wire = wire
        await wire.until("session.created")
        if isinstance(wire, BrokenWire):
            wire.takes = 0
        else:
            wire.last = "error"
        stage.session.end(SessionOver(1001, "session idle", error=why))
        await anyio.sleep(CLOSE_DEADLINE_S)
        assert wire.closed == (1001, "session idle")
        with pytest.raises(WireClosed):
            await stage.session.attach(QueueWire(), None, None)

    play(lambda: Stage("Hello."), story)
