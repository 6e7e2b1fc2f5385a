"""How much lead a client gets, by what it says of its underruns."""

import anyio
import pytest

from server.output.line import MAX_REMEMBERED, Line
from server.response.playback import Lead
from tests.support.stage import AUDIO, LONG, Stage, play, voice_v1


def test_every_underrun_lengthens_the_lead_up_to_the_limit() -> None:
    lead = Lead(400)
    grown = []
    for _ in range(5):
        lead.ran_dry()
        grown.append(lead.ms)
    assert grown == [600, 900, 1350, 1500, 1500]


def test_answers_without_one_shorten_it_again_but_not_below_where_it_began() -> None:
    lead = Lead(400)
    lead.ran_dry()
    for wanted in (540, 486, 437, 400, 400):
        lead.ran_well()
        assert lead.ms == wanted


@pytest.mark.parametrize(("configured", "ms"), [(50, 200), (5000, 1500)])
def test_the_lead_stays_within_its_limits(configured: int, ms: int) -> None:
    assert Lead(configured).ms == ms


def lead_samples(*underruns: int) -> int:
    """How far ahead of what was played the server sends, after these reports."""
    ahead = 0

    async def story(stage: Stage) -> None:
        nonlocal ahead
        stage.ask("talk")
        item = (await stage.wire.until("response.output_item.added"))["item"]["id"]
        for number, count in enumerate(underruns, 1):
            await anyio.sleep(0.1)
            stage.wire.say("x_playback", item_id=item, played_samples=2400 * number, underruns=count)
        await anyio.sleep(0.01)
        reported_at = anyio.current_time()
        await anyio.sleep(2.0)
        sent = [
            event["offset_samples"] + len(event["data"]) // 2
            for at, event in stage.wire.seen
            if event["type"] == AUDIO and at <= reported_at + 0.001
        ]
        ahead = max(sent) - 2400 * len(underruns) - 240

    play(lambda: Stage(LONG, dialect=voice_v1), story)
    return ahead


@pytest.mark.parametrize(
    ("underruns", "lead_ms"),
    [((0,), 400), ((1,), 600), ((1, 1), 600), ((1, 2), 900)],
)
def test_the_voice_of_a_client_that_ran_dry_is_sent_further_ahead(
    underruns: tuple[int, ...], lead_ms: int
) -> None:
    chunk_ms = 100
    assert lead_ms - chunk_ms < lead_samples(*underruns) / 24 <= lead_ms


# --- clients that report nothing --------------------------------------------------------------------------


def test_what_waits_for_the_network_is_as_old_as_its_oldest_byte() -> None:
    line = Line()
    assert line.waited_s(100, 1.0) == 0.0
    for at in (1.0, 1.1, 1.2):
        line.sent(100, at)
    assert [round(line.waited_s(unsent, 1.5), 3) for unsent in (0, 1, 100, 101, 300, 10_000)] == [
        0,
        0.3,
        0.3,
        0.4,
        0.5,
        0.5,
    ]


def test_the_system_is_asked_only_when_something_may_have_waited_long_enough() -> None:
    line, asked = Line(), []
    for now in (number / 50 for number in range(100)):
        line.sent(100, now)
        if line.may_stall(now):
            asked.append(now)
            line.stalls(100, now)
    assert asked == [0.0, 0.5, 1.0, 1.5], "the newest waits each time, and nothing else"


def test_it_remembers_no_more_than_it_needs() -> None:
    line = Line()
    for number in range(10 * MAX_REMEMBERED):
        line.sent(100, float(number))
    assert line.waited_s(1 << 30, 10.0 * MAX_REMEMBERED) == MAX_REMEMBERED


def buffered_ms(stage: Stage) -> list[float]:
    """How much a client that plays what comes has to play, at each moment before audio comes to it."""
    sent = [
        (at, len(event["delta"]) * 3 / 4 / 48)
        for at, event in stage.wire.seen
        if event["type"].endswith("audio.delta")
    ]
    began = sent[0][0]
    return [sum(ms for then, ms in sent if then < at) - (at - began) * 1000 for at, _ in sent if at > began]


def answered(*, delivers: tuple[bool, ...] = (True,)) -> list[list[float]]:
    """The same for as many answers, to a client whose network delivers at once, or nothing for the first second."""
    heard: list[list[float]] = []

    async def story(stage: Stage) -> None:
        for does in delivers:
            stage.wire.unsent_bytes = 0 if does else 1 << 30
            stage.wire.seen.clear()
            stage.ask("talk")
            await anyio.sleep(1.0)
            stage.wire.unsent_bytes = 0
            await stage.wire.until("response.done")
            heard.append(buffered_ms(stage))
            await anyio.sleep(10)

    play(lambda: Stage(LONG), story)
    return heard


def test_a_client_that_reports_nothing_survives_a_second_without_network() -> None:
    ((*steady, _),) = answered()
    assert len(steady) > 50
    assert min(steady) >= 1000


@pytest.mark.no_cover
def test_its_lead_grows_where_audio_waits_for_the_network_and_shrinks_again() -> None:
    usual, stalled, after, *_, later = (
        max(buffered) for buffered in answered(delivers=(True, False, *[True] * 7))
    )
    assert usual < 1_350
    assert stalled > 1_800
    assert after == pytest.approx(stalled), "the next answer begins with it"
    assert later == pytest.approx(usual)
