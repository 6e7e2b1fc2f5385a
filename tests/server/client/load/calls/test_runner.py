"""Calls over connections, with the reference agent behind them: how they end, and how wrong the figures are."""

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from server.client.load.calls.call_end import frames_due
from server.client.load.calls.caller import Caller, Manner
from server.client.load.calls.place import Place, probe
from server.client.load.calls.run import WORST, Run
from server.client.load.calls.runner import LAST_ANSWERS_S, Load, Runner
from server.client.load.calls.turns import CallRecord, Ending, Outcome, Turn, TurnKind
from server.client.load.reference.agent import Conduct
from server.client.load.reference.calibration import Bar, Bars, compare, measure_in_process
from server.client.load.reference.reference_server import reference_server
from server.client.load.script import Mix, Scenario
from server.client.load.targets import VOICE, Voice
from server.domain.errors import ServerError
from stages.testing.virtual_time import virtual_loop
from tests.server.client.load.booth import SAY, scenario, virtual_calls, voicebox

QUICK = Conduct(answer_after_ms=350, end_silence_ms=250, answer_ms=300)


async def hold(
    one: Scenario, conduct: Conduct = QUICK, load: Load | None = None, late_s: list[float] | None = None
) -> Run:
    """Calls of this scenario, for some seconds."""
    async with reference_server(conduct, late_s=late_s) as url:
        mix = Mix(scenarios=(one,))
        runner = Runner(Place(url, Voice), mix, voicebox(one), load or Load(4.0, callers=2), seed=1)
        return await runner.run()


@virtual_calls
async def test_calls_follow_one_another_and_their_turns_are_answered() -> None:
    late_s: list[float] = []
    run = await hold(scenario(SAY, think_ms=(0, 0)), late_s=late_s)
    assert min(late_s) >= 0
    done = [call for call in run.calls if call.ending is Ending.DONE]
    assert len(done) >= 2
    assert {turn.outcome for call in done for turn in call.turns} == {Outcome.HELD}
    assert all(turn.said_s[0] >= (call.connected_s or 0) for call in run.calls for turn in call.turns)
    assert run.talking == 0
    audit = run.audit()
    assert audit.frames == pytest.approx(2 * 200, abs=4)
    assert audit.realtime_ratio > 0.99
    assert all(turn.audio is not None for turn in run.worst if turn.answer_ms is not None)


@pytest.mark.parametrize(
    ("last", "ending"),
    [({"hang_up": True}, Ending.HUNG_UP), ({"cut": True}, Ending.CUT), ({"silence_ms": 20}, Ending.DONE)],
)
@virtual_calls
async def test_a_call_ends_as_it_is_written(last: dict[str, object], ending: Ending) -> None:
    run = await hold(scenario({"silence_ms": 40}, last, think_ms=(0, 0)), load=Load(3.0, times_s=(0.0,)))
    assert [call.ending for call in run.calls] == [ending]


def test_what_was_due_just_before_the_server_hung_up_need_not_have_been_sent() -> None:
    record = CallRecord(0, "test", 0.0)
    caller = Caller(Voice(), scenario(SAY), voicebox(scenario(SAY)), record, Manner())
    assert frames_due(caller, 1.0) == 50
    record.ending = Ending.LOST
    assert [frames_due(caller, lasted_s) for lasted_s in (0.03, 0.1, 1.0)] == [0, 0, 45]


@virtual_calls
async def test_a_server_that_goes_away_is_told_with_its_code() -> None:
    conduct = Conduct(answer_after_ms=350, end_silence_ms=250, answer_ms=300, hangs_up_after_answers=1)
    run = await hold(scenario(SAY, SAY), conduct, Load(4.0, times_s=(0.0,)))
    (call,) = run.calls
    assert call.ending is Ending.LOST
    assert "1011" in call.why


async def test_a_server_that_dies_is_told_apart_from_one_that_says_good_bye() -> None:
    async def die(connection: ServerConnection) -> None:
        await connection.recv()
        connection.transport.abort()

    one = scenario(SAY)
    async with serve(die, "127.0.0.1", 0, subprotocols=[Subprotocol(VOICE)]) as server:
        place = Place(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/", Voice)
        load = Load(20.0, times_s=(0.0,))  # it is over as soon as the call is
        run = await Runner(place, Mix(scenarios=(one,)), voicebox(one), load, seed=1).run()
    (call,) = run.calls
    assert (call.ending, call.why) == (
        Ending.LOST,
        "the connection broke off: the server died, or the network did",
    )


@virtual_calls
async def test_a_caller_that_reads_slowly_hears_the_answer_late() -> None:
    slow = scenario({"say": "question", "expect": None}, {"read_slowly_ms": 1_500}, SAY, think_ms=(0, 0))
    run = await hold(slow, load=Load(8.0, times_s=(0.0,)))
    (call,) = run.calls
    assert call.turns[0].outcome is Outcome.HELD
    assert call.ending is not Ending.LOST


@virtual_calls
async def test_callers_catch_up_after_the_machine_stood_still() -> None:
    def stand_still(_: Run) -> None:
        virtual_loop().stand_still(0.4)

    one = scenario({"silence_ms": 60_000})
    async with reference_server(QUICK) as url:
        runner = Runner(Place(url, Voice), Mix(scenarios=(one,)), voicebox(one), Load(3.6, callers=3), seed=1)
        audit = (await runner.run(stand_still)).audit()
    assert audit.send_late_max_ms == pytest.approx(400, abs=5)
    assert audit.send_late_p50_ms == 0
    assert audit.realtime_ratio > 0.99


@virtual_calls
async def test_calls_that_the_run_ends_say_nothing() -> None:
    run = await hold(scenario(SAY), load=Load(0.6, callers=1))
    (call,) = run.calls
    assert call.ending is Ending.STOPPED
    assert [(turn.outcome, turn.reason) for turn in call.turns] == [(Outcome.DISCARDED, "the run was over")]


@virtual_calls
async def test_who_waits_for_an_answer_when_the_time_is_over_hears_it() -> None:
    late = Conduct(answer_after_ms=3_000, end_silence_ms=250, answer_ms=300)
    run = await hold(scenario(SAY, think_ms=(0, 0)), late, Load(2.0, times_s=(0.0, 1.0)))
    first, second = run.calls
    assert [turn.outcome for turn in first.turns] == [Outcome.HELD]
    assert first.turns[0].v2v_ms == pytest.approx(3_000, abs=30)
    assert [(turn.outcome, turn.reason) for turn in second.turns] == [(Outcome.DISCARDED, "the run was over")]
    assert 4.0 < run.lasted_s < 5.0, "the second, who spoke when the time was over, is not waited for"


@virtual_calls
async def test_what_is_said_while_the_last_answers_are_waited_for_does_not_count() -> None:
    late = Conduct(answer_after_ms=3_000, end_silence_ms=250, answer_ms=300)
    patient = scenario({**SAY, "within_ms": 60_000}, {**SAY, "within_ms": 1_000}, think_ms=(0, 0))
    run = await hold(patient, late, Load(4.5, callers=2, ramp_s=4.0))
    first, second = run.calls
    assert [turn.outcome for turn in first.turns] == [Outcome.HELD, Outcome.DISCARDED]
    assert [turn.outcome for turn in second.turns] == [Outcome.HELD]


@virtual_calls
async def test_nobody_calls_anew_while_the_last_answers_are_waited_for() -> None:
    late = Conduct(answer_after_ms=3_000, end_silence_ms=250, answer_ms=300)
    run = await hold(scenario(SAY, think_ms=(0, 0)), late, Load(4.5, callers=2, ramp_s=4.0))
    assert [(call.number, call.ending) for call in run.calls] == [(0, Ending.DONE), (1, Ending.STOPPED)]


@pytest.mark.parametrize(("within_ms", "outcome"), [(5_000, Outcome.MISSED), (60_000, Outcome.DISCARDED)])
@virtual_calls
async def test_an_answer_that_does_not_come_is_not_waited_for_without_end(
    within_ms: int, outcome: Outcome
) -> None:
    silent = Conduct(answer_after_ms=3_600_000, end_silence_ms=250, answer_ms=300)
    run = await hold(scenario({**SAY, "within_ms": within_ms}), silent, Load(2.0, callers=1))
    assert [turn.outcome for call in run.calls for turn in call.turns] == [outcome]
    assert run.lasted_s <= 2.0 + LAST_ANSWERS_S + 1.0


@virtual_calls
async def test_the_slowest_turns_of_those_who_keep_nothing_have_their_sound() -> None:
    run = await hold(scenario(SAY, think_ms=(0, 0)), load=Load(6.0, callers=12, ramp_s=0.6, canaries=1))
    others = [
        turn for call in run.calls for turn in call.turns if call.number >= 0 and turn.v2v_ms is not None
    ]
    assert len(others) > WORST
    assert 0 < sum(turn.audio is not None for turn in others) <= WORST
    assert all(turn.audio is not None and turn.packets for turn in run.worst)


@virtual_calls
async def test_a_server_that_is_gone_refuses_every_call() -> None:
    async with reference_server(QUICK) as url:
        pass
    one = scenario(SAY)
    run = await Runner(Place(url, Voice), Mix(scenarios=(one,)), voicebox(one), Load(1.0, callers=1), 1).run()
    assert {call.ending for call in run.calls} == {Ending.REFUSED}
    assert "no server at" in run.calls[0].why


async def test_the_protocol_is_what_the_server_takes() -> None:
    async with reference_server(QUICK) as url:
        assert (await probe(None, url, None)).target is Voice
        place = Place(url, Voice)
        assert await probe(place, url, None) is place
    with pytest.raises(ServerError, match="no server"):
        await probe(None, url, None)


def test_the_error_in_process_is_less_than_two_milliseconds() -> None:
    bars: Bars = measure_in_process()
    assert bars.answer is not None
    assert bars.stop is not None
    assert abs(bars.answer.bias_ms) <= 2
    assert bars.answer.spread_ms <= 5
    assert abs(bars.stop.bias_ms) + bars.stop.spread_ms <= 10
    assert bars.gaps_seen == 1.0


def test_what_the_agent_itself_was_late_by_is_no_error_of_the_figures() -> None:
    turns = [Turn(0, "one", 0, TurnKind.RESPOND, (0.0, 1.0), v2v_ms=405.0)]
    assert [compare(turns, late_ms).answer for late_ms in (0.0, 4.0)] == [Bar(1, 5.0, 0.0), Bar(1, 1.0, 0.0)]
