"""The error of every figure: the reference agent, whose delays are known, measured in process and over a socket."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.client.load.calls.caller import Caller, Manner
from server.client.load.calls.place import Place
from server.client.load.calls.runner import Load, Runner
from server.client.load.calls.turns import CallRecord, Turn
from server.client.load.hearing.mouth import Voicebox
from server.client.load.hearing.utterance import hush, prepare
from server.client.load.reference.agent import RATE_HZ, Conduct, ReferenceAgent, tone
from server.client.load.reference.reference_server import reference_server
from server.client.load.reference.theatre import hold_call
from server.client.load.script import Mix
from server.client.load.targets import Voice

CONDUCT = Conduct(
    answer_after_ms=400, answer_ms=1_200, end_silence_ms=200, stop_after_ms=300, gaps=((400, 40),)
)
CALLERS = 20
"""Each is interrupted once, and of fewer values than twenty there is no 95th percentile."""
LASTS_S = 6.0
_MIX = Mix.model_validate(
    {
        "scenarios": [
            {
                "name": "calibration",
                "think_ms": [0, 50],
                "steps": [
                    {"say": "q"},
                    {"barge_in": {"say": "b", "after_ms": 650}},
                    {"say": "q"},
                ],
            }
        ]
    }
)


@dataclass(frozen=True, slots=True)
class Bar:
    """How wrong a figure is, in ms."""

    n: int
    bias_ms: float
    """What is measured is so much more than what is true, on average."""
    spread_ms: float
    """95 of 100 values are no further from that."""

    def __str__(self) -> str:
        return f"{self.bias_ms:+.1f} ± {self.spread_ms:.1f} ms (n={self.n})"


@dataclass(frozen=True, slots=True)
class Bars:
    """The errors of the figures that the reference agent knows the truth of; None where nothing was measured."""

    answer: Bar | None
    stop: Bar | None
    gap: Bar | None
    gaps_seen: float
    """Of the gaps that were made, this share was seen."""


def measure_in_process() -> Bars:
    """Measure without sockets, in virtual time."""
    calls = []
    for number in range(10):
        record = CallRecord(number, "calibration", 0.0)
        caller = Caller(Voice(), _MIX.scenarios[0], _voicebox(), record, Manner(seed=number))
        calls.append(hold_call(caller, ReferenceAgent(CONDUCT)))
    return compare([turn for call in calls for turn in call.turns])


async def measure_over_socket() -> Bars:
    """A server of this machine, with some callers, for some seconds."""
    late_s: list[float] = []
    async with reference_server(CONDUCT, late_s=late_s) as url:
        load = Load(LASTS_S, callers=CALLERS, ramp_s=0.1)
        run = await Runner(Place(url, Voice), _MIX, _voicebox(), load, seed=1).run()
    late_ms = sum(late_s) / len(late_s) * 1000 if late_s else 0.0
    return compare([turn for call in run.calls for turn in call.turns], late_ms)


def compare(turns: Sequence[Turn], late_ms: float = 0.0) -> Bars:
    """What was measured, against what the agent did, who was late by so much himself."""
    stop_ms, (_, gap_ms) = (CONDUCT.stop_after_ms or 0.0) + late_ms, CONDUCT.gaps[0]
    answer_ms = CONDUCT.answer_after_ms + late_ms
    whole = [turn for turn in turns if turn.answer_ms is not None and not turn.was_cut]
    return Bars(
        _bar([turn.v2v_ms - answer_ms for turn in turns if turn.v2v_ms is not None]),
        _bar([turn.stop_ms - stop_ms for turn in turns if turn.stop_ms is not None]),
        _bar([ms - gap_ms for turn in whole for ms in turn.gaps_ms]),
        sum(bool(turn.gaps_ms) for turn in whole) / len(whole) if whole else 0.0,
    )


def _bar(errors_ms: Sequence[float]) -> Bar | None:
    if not errors_ms:
        return None
    bias_ms = sum(errors_ms) / len(errors_ms)
    off = sorted(abs(error - bias_ms) for error in errors_ms)
    return Bar(len(off), round(bias_ms, 2) + 0.0, round(off[max(0, -(-len(off) * 95 // 100) - 1)], 2))


def _voicebox() -> Voicebox:
    question, interruption = (prepare(Voice, tone(ms), RATE_HZ) for ms in (400, 500))
    name = _MIX.scenarios[0].name
    return Voicebox(hush(Voice, 1), {(name, 0): question, (name, 1): interruption, (name, 2): question})
