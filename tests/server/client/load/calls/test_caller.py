"""Whole calls with the reference agent: what is measured is what the agent did, and each check passes and fails."""

from collections.abc import Sequence

import pytest

from server.client.load.calls.caller import Caller, Manner
from server.client.load.calls.turns import CallRecord, Outcome, TurnKind
from server.client.load.figures.figures import reckon
from server.client.load.figures.objectives import judge, read_objectives
from server.client.load.reference.agent import Conduct, ReferenceAgent
from server.client.load.reference.theatre import hold_call
from server.client.load.targets import Voice
from server.client.load.wire import Mark, Sound, Wire
from tests.server.client.load.booth import SAY, TALKS, call, scenario, voicebox

CLEAN = Conduct()
OBJECTIVES = (
    "v2v_max<=505,v2v_mean>=495,first_packet_max<=505,leading_silence_max<=1,barge_stop_max<=410,barge_stop_mean>=390,"
    "answer_mean>=1990,answer_max<=2010,gaps=0,underruns=0,missed=0,not_stopped=0,false_stops=0,false_answers=0,extra_answers=0,"
    "early=0,errors=0,lost=0"
)


def broken(conduct: Conduct) -> set[str]:
    """The figures whose objectives a call with this agent breaks."""
    figures = reckon([call(TALKS, conduct)])
    return {
        verdict.objective.figure
        for verdict in judge(figures, read_objectives([OBJECTIVES]))
        if not verdict.holds
    }


@pytest.mark.no_cover
@pytest.mark.parametrize("seeds", [range(start, start + 20) for start in range(0, 100, 20)])
def test_a_clean_agent_breaks_nothing(seeds: range) -> None:
    """Also with answers and stops that lie between the frames."""
    for seed in seeds:
        _check_clean(seed)


def _check_clean(seed: int) -> None:
    record = call(
        TALKS, Conduct(answer_after_ms=480 + seed * 0.37, stop_after_ms=350 + seed * 0.73), seed=seed
    )
    by_kind = {kind: [turn for turn in record.turns if turn.kind is kind] for kind in TurnKind}
    assert {turn.outcome for turn in record.turns} == {Outcome.HELD}
    for turn in by_kind[TurnKind.RESPOND]:
        assert turn.v2v_ms == pytest.approx(480 + seed * 0.37, abs=1)
    assert [turn.stop_ms for turn in by_kind[TurnKind.STOP]] == pytest.approx([350 + seed * 0.73], abs=10)
    figures = reckon([record])
    assert {name for name, count in figures.counts.items() if count} == {"turns"}


FAULTS: dict[str, tuple[Conduct, str]] = {
    "10 ms late": (Conduct(answer_after_ms=510), "v2v_max"),
    "100 ms late": (Conduct(answer_after_ms=600), "v2v_max"),
    "a second late": (Conduct(answer_after_ms=1500), "v2v_max"),
    "10 ms too quick": (Conduct(answer_after_ms=490), "v2v_mean"),
    "too quick": (Conduct(answer_after_ms=350), "v2v_mean"),
    "answers nothing": (Conduct(answers=False), "missed"),
    "answers too late": (Conduct(answer_after_ms=11_000), "missed"),
    "is not heard": (Conduct(loudness=90), "missed"),
    "is silent": (Conduct(loudness=0), "missed"),
    "silence in front": (Conduct(leading_silence_ms=20), "leading_silence_max"),
    "much silence in front": (Conduct(leading_silence_ms=400), "leading_silence_max"),
    "gap of 20 ms": (Conduct(gaps=((600, 20),)), "gaps"),
    "gap of 40 ms": (Conduct(gaps=((200, 40),)), "gaps"),
    "gap of 300 ms": (Conduct(gaps=((1000, 300),)), "gaps"),
    "gap near the beginning": (Conduct(gaps=((20, 60),)), "gaps"),
    "gap near the end": (Conduct(gaps=((1980, 60),)), "gaps"),
    "many gaps": (Conduct(gaps=tuple((at, 25) for at in range(200, 2000, 200))), "gaps"),
    "no lead, too slow": (Conduct(lead_ms=0, pace=0.5), "gaps"),
    "slow behind the lead": (Conduct(pace=0.6), "underruns"),
    "stops 20 ms late": (Conduct(stop_after_ms=425), "barge_stop_max"),
    "stops 500 ms late": (Conduct(stop_after_ms=900), "barge_stop_max"),
    "stops too soon": (Conduct(stop_after_ms=300), "barge_stop_mean"),
    "stops never": (Conduct(stop_after_ms=None, answer_ms=5_000), "not_stopped"),
    "a tail after the flush": (Conduct(tail_after_flush_ms=300), "extra_answers"),
    "stops for a murmur": (Conduct(ignores_ms=100), "false_stops"),
    "answers noise": (Conduct(hears_above=150), "false_answers"),
    "answers twice": (Conduct(extra_after_ms=300), "extra_answers"),
    "answers before the end": (Conduct(early_after_ms=200), "early"),
    "answers in a pause": (Conduct(end_silence_ms=100, answer_after_ms=120), "early"),
    "leaves words out": (Conduct(lost_ms=200), "answer_mean"),
    "leaves one word out": (Conduct(lost_ms=40), "answer_mean"),
    "says words twice": (Conduct(doubled_ms=200), "answer_max"),
    "ends in the middle": (Conduct(answer_ms=1_000), "answer_mean"),
    "complains": (Conduct(complains="no model"), "errors"),
    "speaks nonsense": (Conduct(speaks_nonsense=True), "errors"),
    "hangs up": (Conduct(hangs_up_after_answers=1), "lost"),
    "hangs up later": (Conduct(hangs_up_after_answers=3), "lost"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_seeded_fault_is_found_by_its_check(fault: str) -> None:
    conduct, figure = FAULTS[fault]
    assert figure in broken(conduct)


def test_the_checks_that_find_faults_hold_without_them() -> None:
    assert broken(CLEAN) == set()
    assert {figure for _, figure in FAULTS.values()} <= {
        objective.figure for objective in read_objectives([OBJECTIVES])
    }


@pytest.mark.parametrize("gap_ms", range(20, 100, 7))
def test_every_gap_is_measured_to_the_millisecond(gap_ms: int) -> None:
    record = call(scenario(SAY), Conduct(gaps=((700, gap_ms),)))
    assert record.turns[0].gaps_ms == pytest.approx([gap_ms], abs=1)


def test_the_same_seed_is_the_same_call_and_another_is_not() -> None:
    one, again, other = (call(scenario(SAY, SAY), seed=seed) for seed in (3, 3, 4))
    assert one.turns == again.turns
    assert one.turns != other.turns


WAKE = "something came"


class Woken(Voice):
    """A protocol in which something comes before every frame, so that no script rests."""

    def hear(self, message: Wire) -> Sequence[Sound]:
        return (Mark(WAKE),) if message == WAKE else super().hear(message)


class Witness(Caller):
    """Keeps what it sends."""

    def __init__(self, target: Voice, seed: int) -> None:
        super().__init__(target, TALKS, voicebox(TALKS), CallRecord(0, "test", 0.0), Manner(seed=seed))
        self.wakes = isinstance(target, Woken)
        self.sent: list[Wire] = []

    def tick(self) -> Sequence[Wire]:
        if self.wakes:
            self.take(WAKE, self.due_s())
        told = super().tick()
        self.sent.extend(told)
        return told


@pytest.mark.parametrize("seed", range(6))
def test_a_script_that_rests_goes_on_as_one_that_is_asked_with_every_frame(seed: int) -> None:
    conduct = Conduct(
        answer_after_ms=480 + seed * 7,
        stop_after_ms=None if seed == 5 else 400,
        gaps=((400, 90),) if seed % 2 else (),
    )
    resting, restless = Witness(Voice(), seed), Witness(Woken(), seed)
    for caller in (resting, restless):
        hold_call(caller, ReferenceAgent(conduct))
        for turn in caller.record.turns:
            turn.marks = []
    assert resting.sent == restless.sent
    assert resting.record == restless.record
    assert len(resting.record.turns) > 5


def test_talking_over_an_answer_that_is_over_says_nothing_and_is_told_so() -> None:
    record = call(scenario(SAY, {"barge_in": {"say": "stop", "after_ms": 9_000}}))
    assert [(turn.outcome, turn.reason) for turn in record.turns] == [
        (Outcome.HELD, ""),
        (Outcome.DISCARDED, "the answer had ended before"),
    ]


@pytest.mark.parametrize("keeps", [True, False])
def test_what_was_heard_is_kept_when_it_is_wanted(keeps: bool) -> None:
    record = call(scenario(SAY), keeps_audio=keeps)
    audio = record.turns[0].audio
    assert (audio is not None) == keeps
    if audio is not None:
        assert len(audio) >= 2 * 24_000
        assert record.turns[0].rate_hz == 24_000


def test_a_silence_is_as_long_as_it_was_written() -> None:
    record = call(scenario({"silence_ms": 1_000}, {"silence_ms": 1_000}, think_ms=(0, 0)))
    assert record.ended_s == pytest.approx(2.5, abs=0.1)


def test_a_server_that_sends_far_ahead_is_heard_no_sooner() -> None:
    assert call(scenario(SAY), Conduct(lead_ms=1_500)).turns[0].v2v_ms == pytest.approx(500, abs=1)


def test_what_means_nothing_is_a_complaint_and_the_call_goes_on() -> None:
    record = CallRecord(0, TALKS.name, 0.0)
    caller = Caller(Voice(), TALKS, voicebox(TALKS), record, Manner())
    for wrong in (b"short", bytes(20), "{", "[]", '{"type": "error"}'):
        caller.take(wrong, 0.01)
    assert [trouble.split(":")[0] for trouble in record.troubles] == ["a message that means nothing"] * 5
