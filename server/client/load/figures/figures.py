"""Figures from turns: percentiles that have enough turns, counts, and why turns were left out. Pure."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from server.client.load.calls.turns import CallRecord, Ending, Outcome, Turn, TurnKind

PERCENTILES = (50, 90, 95, 99)
LATENCIES: Mapping[str, tuple[str, Callable[[Turn], float | None]]] = {
    "v2v": (
        "last voiced sample of the microphone to the first sound that is heard; without `early` answers",
        lambda turn: turn.v2v_ms if turn.kind is TurnKind.RESPOND and not turn.is_early else None,
    ),
    "typed": (
        "a text is sent, to the first sound",
        lambda turn: turn.v2v_ms if turn.kind is TurnKind.TYPED else None,
    ),
    "first_packet": (
        "last voiced sample to the first packet of the answer",
        lambda turn: None if turn.is_early else turn.first_packet_ms,
    ),
    "first_sound_packet": (
        "the same, to the first packet with a sound",
        lambda turn: None if turn.is_early else turn.first_sound_packet_ms,
    ),
    "leading_silence": (
        "silence before the first sound, in the answer itself",
        lambda turn: turn.leading_silence_ms,
    ),
    "barge_stop": ("first voiced sample of an interruption to silence", lambda turn: turn.stop_ms),
    "duck": ("the same, to a lowered voice", lambda turn: turn.duck_ms),
    "resume": ("a new connection is opened, to all that was missed is there", lambda turn: turn.resume_ms),
    "outage_silence": (
        "silence in an answer whose connection was cut by the scenario",
        lambda turn: turn.outage_silence_ms,
    ),
    "answer": (
        "first to last sound of an answer that was not cut",
        lambda turn: None if turn.was_cut else turn.answer_ms,
    ),
}
COUNTS: Mapping[str, str] = {
    "turns": "turns that say something",
    "gaps": "silences of 15 ms and more in an answer, because nothing had come",
    "underruns": "the same from 1 ms: how often the player ran dry",
    "dry_ms": "how long it was dry, in ms",
    "missed": "turns without an answer in time",
    "not_stopped": "interruptions over which the answer went on",
    "false_stops": "answers that fell silent and should have gone on",
    "false_answers": "answers to noise, silence, or nothing said",
    "extra_answers": "answers that belong to no turn: greetings, or one more than was asked for",
    "early": "answers that began to be heard before the person had ended, as if in a pause",
    "not_resumed": "lines that were cut or fell silent, and did not come back or end as expected",
    "tools_missed": "turns without the call of the tool that was expected",
    "words": "words that were heard, of a voice that marks them",
    "words_lost": "of those, words that are missing",
    "words_doubled": "words that came twice, or besides those that were expected",
    "words_cut": "words that ended, or were broken, in their middle",
    "foreign_words": "names of other callers",
    "errors": "complaints of the server",
    "lost": "calls that the server or the network ended",
    "refused": "calls that did not begin",
    "discarded": "turns that say nothing, by reason below",
}


def needed(percent: int) -> int:
    """How many values a percentile needs, so that it is not simply the greatest: 20 for the 95th, 100 for the 99th."""
    return max(2, math.ceil(100 / (100 - percent)))


@dataclass(frozen=True, slots=True)
class Distribution:
    """Values of one latency, in ms, sorted."""

    values: tuple[float, ...]

    @property
    def n(self) -> int:
        """How many."""
        return len(self.values)

    def percentile(self, percent: int) -> float | None:
        """By nearest rank; None from fewer values than it needs."""
        if self.n < needed(percent):
            return None
        return self.values[math.ceil(self.n * percent / 100) - 1]

    def interval(self, percent: int) -> tuple[float, float] | None:
        """In which it lies with a probability of 95 %, by order statistics; None where there are too few values."""
        if self.percentile(percent) is None:
            return None
        share = percent / 100
        reach = 1.96 * math.sqrt(self.n * share * (1 - share))
        low = max(0, math.floor(self.n * share - reach))
        high = min(self.n - 1, math.ceil(self.n * share + reach))
        return self.values[low], self.values[high]

    @property
    def mean(self) -> float | None:
        """The average."""
        return sum(self.values) / self.n if self.n else None

    @property
    def most(self) -> float | None:
        """The greatest."""
        return self.values[-1] if self.n else None


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that can be said of some calls."""

    latencies: Mapping[str, Distribution]
    counts: Mapping[str, float]
    calls: int
    turns: int
    discarded: Mapping[str, int] = field(default_factory=dict)
    """How many turns say nothing, by reason."""
    troubles: Mapping[str, int] = field(default_factory=dict)
    """What the server complained of, and how often."""

    def value(self, name: str) -> float | None:
        """A figure by name, such as `v2v_p95`, `v2v_max`, `v2v_mean`, `v2v_n` or `gaps`. Raises KeyError."""
        if name in COUNTS:
            return self.counts.get(name)
        latency, _, which = name.rpartition("_")
        distribution = self.latencies[latency]
        match which:
            case "max":
                return distribution.most
            case "mean":
                return distribution.mean
            case "n":
                return distribution.n
        if which not in {f"p{percent}" for percent in PERCENTILES}:
            raise KeyError(name)
        return distribution.percentile(int(which[1:]))


def figure_names() -> frozenset[str]:
    """All names that `Figures.value` knows."""
    kinds = [*(f"p{percent}" for percent in PERCENTILES), "max", "mean", "n"]
    return frozenset(COUNTS) | {f"{latency}_{kind}" for latency in LATENCIES for kind in kinds}


def reckon(calls: Sequence[CallRecord], since_s: float = 0.0) -> Figures:
    """The figures of some calls; turns that were said before `since_s`, while the load was rising, are discarded."""
    turns = [turn for call in calls for turn in call.turns]
    kept = [turn for turn in turns if turn.outcome is not Outcome.DISCARDED and turn.said_s[0] >= since_s]
    reasons = Counter(turn.reason for turn in turns if turn.outcome is Outcome.DISCARDED)
    if warming := sum(turn.outcome is not Outcome.DISCARDED and turn.said_s[0] < since_s for turn in turns):
        reasons["said while the load was rising"] += warming
    latencies = {name: _distribution(kept, read) for name, (_, read) in LATENCIES.items()}
    troubles = Counter(trouble for call in calls for trouble in call.troubles)
    return Figures(
        latencies, _counts(calls, kept, reasons), len(calls), len(kept), dict(reasons), dict(troubles)
    )


def _distribution(turns: Iterable[Turn], read: Callable[[Turn], float | None]) -> Distribution:
    return Distribution(tuple(sorted(value for turn in turns if (value := read(turn)) is not None)))


def _counts(
    calls: Sequence[CallRecord], kept: Sequence[Turn], reasons: Mapping[str, int]
) -> dict[str, float]:
    def outcomes(outcome: Outcome, *kinds: TurnKind) -> int:
        return sum(turn.outcome is outcome and turn.kind in kinds for turn in kept)

    return {
        "turns": len(kept),
        "gaps": sum(len(turn.gaps_ms) for turn in kept),
        "underruns": sum(len(turn.dry_ms) for turn in kept),
        "dry_ms": sum(sum(turn.dry_ms) for turn in kept),
        "missed": outcomes(Outcome.MISSED, TurnKind.RESPOND, TurnKind.TYPED),
        "not_stopped": outcomes(Outcome.MISSED, TurnKind.STOP),
        "false_stops": outcomes(Outcome.FALSE, TurnKind.IGNORE),
        "false_answers": sum(call.false_answers for call in calls),
        "extra_answers": sum(call.extra_answers for call in calls),
        "early": sum(turn.is_early for turn in kept),
        "not_resumed": outcomes(Outcome.MISSED, TurnKind.LINE),
        "tools_missed": sum(turn.has_missed_tool for turn in kept),
        **_word_counts(kept),
        "errors": sum(len(call.troubles) for call in calls),
        "lost": sum(call.ending is Ending.LOST for call in calls),
        "refused": sum(call.ending is Ending.REFUSED for call in calls),
        "discarded": sum(reasons.values()),
    }


def _word_counts(turns: Sequence[Turn]) -> dict[str, float]:
    """Nothing where no voice marks its words: a figure of nought would say that it was looked at."""
    words = [turn.words for turn in turns if turn.words is not None]
    if not words:
        return {}
    return {
        "words": sum(one.heard for one in words),
        "words_lost": sum(one.lost for one in words),
        "words_doubled": sum(one.doubled for one in words),
        "words_cut": sum(one.cut for one in words),
        "foreign_words": sum(one.foreign for one in words),
    }
