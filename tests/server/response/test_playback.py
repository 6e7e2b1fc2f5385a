"""How much lead a client gets, by what it says of its underruns."""

import anyio
import pytest

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
