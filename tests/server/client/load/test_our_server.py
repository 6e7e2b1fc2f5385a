"""Callers at the real server, on scripted providers: both protocols, real speech, answered and talked over."""

from pathlib import Path

import anyio.to_thread
import pytest

from server.client.load.calls.place import Place
from server.client.load.calls.runner import Load, Runner
from server.client.load.calls.turns import Outcome, TurnKind
from server.client.load.figures.figures import reckon
from server.client.load.figures.server_side import ServerSide, fetch_page, metrics_url
from server.client.load.measuring.scenario_file import check_mix, make_voicebox
from server.client.load.targets import Realtime, Voice
from server.client.load.wire import Target
from stages.testing.fakes import EchoModel, ScriptedModel, ScriptedVoice
from tests.support.live_server import LONG, live_server

SPEECH = Path(__file__).parents[3] / "data" / "speech"
PATIENCE_MS = 60_000
"""The longest that there is: whether they are answered and obeyed is held here, and not how soon."""

MIX = {
    "scenarios": [
        {
            "name": "talk",
            "think_ms": [200, 200],
            "steps": [
                {"file": "cards_002.wav", "within_ms": PATIENCE_MS},
                {
                    "barge_in": {"file": "cards_001.wav", "after_ms": 500},
                    "within_ms": PATIENCE_MS,
                },
                {"hang_up": True},
            ],
        }
    ]
}


@pytest.mark.parametrize("target", [Voice, Realtime])
async def test_callers_are_answered_and_talk_over_the_answer(target: type[Target]) -> None:
    mix = check_mix(MIX, "mix")
    async with live_server(ScriptedModel(LONG), turn_detection="server_vad") as server:
        box = await anyio.to_thread.run_sync(make_voicebox, mix, target, None, SPEECH)
        runner = Runner(Place(server.url, target), mix, box, Load(200.0, times_s=(0.0, 0.2)), seed=1)
        run = await runner.run()
    turns = [turn for call in run.calls for turn in call.turns]
    assert [(turn.kind, turn.outcome) for call in run.calls for turn in call.turns] == [
        (TurnKind.RESPOND, Outcome.HELD),
        (TurnKind.STOP, Outcome.HELD),
        (TurnKind.RESPOND, Outcome.HELD),
    ] * 2
    assert all(turn.v2v_ms is not None and turn.v2v_ms > 0 for turn in turns if turn.kind is TurnKind.RESPOND)
    assert all(turn.stop_ms is not None and turn.stop_ms > 0 for turn in turns if turn.kind is TurnKind.STOP)
    assert reckon(run.calls).counts["errors"] == 0


async def test_callers_come_back_and_every_word_is_heard_by_the_caller_it_is_for() -> None:
    steps = [
        {"file": "cards_002.wav", "within_ms": PATIENCE_MS},
        {"resume": {"after_ms": 300, "away_ms": 150}, "within_ms": PATIENCE_MS},
        {"type": "this is {caller}", "hears": "You said: this is {caller}", "within_ms": PATIENCE_MS},
        {"half_open_ms": 300, "within_ms": 100},
        {"hang_up": True},
    ]
    mix = check_mix(
        {"prebuffer_ms": 200, "scenarios": [{"name": "talk", "think_ms": [0, 0], "steps": steps}]}, "mix"
    )
    voice, side = ScriptedVoice(marks=True), ServerSide()
    async with live_server(
        EchoModel(), voice, turn_detection="server_vad", resume_grace_s=300.0, silence_duration_ms=300
    ) as server:
        box = await anyio.to_thread.run_sync(make_voicebox, mix, Voice, None, SPEECH)
        runner = Runner(Place(server.url, Voice), mix, box, Load(200.0, times_s=(0.0, 0.1)), seed=1)
        run = await runner.run()
        side.take(await anyio.to_thread.run_sync(fetch_page, metrics_url(server.url), None), 0.0)
    assert [(turn.kind, turn.outcome) for call in run.calls for turn in call.turns] == [
        (TurnKind.RESPOND, Outcome.HELD),
        (TurnKind.LINE, Outcome.HELD),
        (TurnKind.TYPED, Outcome.HELD),
        (TurnKind.LINE, Outcome.HELD),
    ] * 2
    counts = reckon(run.calls).counts
    for name in ("foreign_words", "not_resumed", "errors", "lost"):
        assert counts[name] == 0, name
    if not counts["underruns"]:  # of a machine so busy that it broke words nothing can be said
        assert counts["words"] == 2 * (
            len(["You", "said:", "hello", "there"]) + len(["You", "said:", "this", "is", "it"])
        )
        assert [counts[name] for name in ("words_lost", "words_doubled", "words_cut")] == [0, 0, 0]
    figures = side.figures()
    assert figures is not None
    assert figures.sessions is not None
