"""Ways to decide how long a silence must be to end a turn, fitted on the tuning half and judged on the test half.

Reads what `turn_looks.py` has written. Each way makes one number of what is known in a silence, and three waits are
chosen by it: the least mean wait at ends with at most `MOST_CUT` of the pauses cut off. AUC has its interval of 95 % by
bootstrap. The waits as the server has them are a row too.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from logistic_fit import Floats, fitted, interval
from turn_looks import Silence, load
from turn_set import cache_folder

from server.turntaking.endpointing import EAGERNESS, Look, PauseEvidence, look_of, silence_ms

Features = Callable[[Silence], Sequence[float]]

PAUSES_MS = (200, 300, 400, 600)
MOST_CUT = 0.05
MOST_P95_MS = 900
SOFT_END_MS = 64
"""Of silence on the detector's clock when the soft end comes: two frames."""
MISSED_MS = 2_500.0
SHORT_MS, MIDDLE_MS, LONG_MS = (260, 320, 380), (380, 440, 500, 560, 620, 680), (620, 680, 760, 860, 1000)
"""The waits that are tried."""
_LOOKS = (Look.ENDED, Look.OPEN, Look.COMMA, Look.SPELLING, Look.TRAILING)


# --- what is known ----------------------------------------------------------------------------------------


def logit(probability: float) -> float:
    """Bounded, so that a sure model does not outweigh all others."""
    bounded = min(max(probability, 0.002), 0.998)
    return float(np.log(bounded / (1 - bounded)))


def seen(one: Silence, version: str, look: int = 0) -> float:
    """What a version of the model says, as a logit."""
    return logit((one.looks or {version: [0.5, 0.5]})[version][look])


def text_look(one: Silence) -> list[float]:
    """The look of the text, one number for each."""
    look = look_of(one.text)
    return [float(look is each) for each in _LOOKS]


def length(one: Silence) -> list[float]:
    """How much has been said: whoever has said one word may say more."""
    return [float(np.log1p(len(one.text.split())))]


WAYS: dict[str, Features] = {
    "v3.0": lambda one: [seen(one, "v3.0")],
    "v3.1": lambda one: [seen(one, "v3.1")],
    "v3.2": lambda one: [seen(one, "v3.2")],
    "v3.1 200 ms later": lambda one: [seen(one, "v3.1", 1)],
    "v3.2 200 ms later": lambda one: [seen(one, "v3.2", 1)],
    "v3.2, 64 ms less of the silence": lambda one: [seen(one, "v3.2", 2)],
    "v3.2, both looks": lambda one: [seen(one, "v3.2"), seen(one, "v3.2", 1)],
    "v3.1 + v3.2": lambda one: [seen(one, "v3.1"), seen(one, "v3.2")],
    "v3.0 + v3.2": lambda one: [seen(one, "v3.0"), seen(one, "v3.2")],
    "text": text_look,
    "text, words": lambda one: text_look(one) + length(one),
    "v3.2, text": lambda one: [seen(one, "v3.2"), *text_look(one)],
    "v3.2, text, words": lambda one: [seen(one, "v3.2"), *text_look(one), *length(one)],
    "v3.2, both looks, text": lambda one: [seen(one, "v3.2"), seen(one, "v3.2", 1), *text_look(one)],
    "v3.1 + v3.2, text": lambda one: [seen(one, "v3.1"), seen(one, "v3.2"), *text_look(one)],
    "v3.0 + v3.1 + v3.2, text": lambda one: [
        *(seen(one, version) for version in ("v3.0", "v3.1", "v3.2")), *text_look(one),
    ],
}  # fmt: skip


# --- waits ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Waits:
    """Three waits, by two thresholds of the score."""

    sure: float
    unsure: float
    short_ms: int
    middle_ms: int
    long_ms: int

    def of(self, scores: Floats) -> Floats:
        """The wait of each score, in ms."""
        by_score = np.where(scores >= self.sure, self.short_ms, self.middle_ms)
        return np.where(scores < self.unsure, self.long_ms, by_score).astype(np.float64)


def outcomes(tried: Sequence[Silence], waits_ms: Floats, later_ms: float = 0) -> Floats:
    """When each silence is taken for an end, after the last voiced sample: not before text and looks are there."""
    known = np.array([max(one.text_took_ms, one.look_took_ms + later_ms) for one in tried])
    soft = np.array([MISSED_MS if one.soft_ms is None else one.soft_ms for one in tried])
    return np.asarray(soft + np.maximum(waits_ms - SOFT_END_MS, known), np.float64)


def as_it_is(tried: Sequence[Silence]) -> Floats:
    """The same by the server's table, decided anew with each witness."""
    found = []
    for one in tried:
        finished = (one.looks or {"v3.2": [0.5]})["v3.2"][0]
        news = sorted(
            [
                (0.0, PauseEvidence()),
                (one.look_took_ms, PauseEvidence(finished=finished)),
                (max(one.text_took_ms, one.look_took_ms), PauseEvidence(one.text, finished=finished)),
            ],
            key=lambda entry: entry[0],
        )
        until = [at for at, _ in news[1:]] + [np.inf]
        for (at, evidence), end in zip(news, until, strict=True):
            ends_at = max(at, silence_ms(evidence, EAGERNESS["auto"]) - SOFT_END_MS)
            if ends_at < end:
                found.append((MISSED_MS if one.soft_ms is None else one.soft_ms) + ends_at)
                break
    return np.array(found)


@dataclass(frozen=True)
class Judged:
    """What came of one way."""

    cut: dict[int, float]
    as_recorded: float
    p50_ms: float
    p95_ms: float

    @property
    def mean_cut(self) -> float:
        """Over pauses of all of `PAUSES_MS`."""
        return float(np.mean(list(self.cut.values())))

    def cells(self) -> list[str]:
        """As the table has them."""
        cuts = [f"{100 * self.cut[pause]:.1f}" for pause in (300, 600)]
        return [
            *cuts,
            f"{100 * self.mean_cut:.1f}",
            f"{100 * self.as_recorded:.1f}",
            f"{self.p50_ms:.0f} / {self.p95_ms:.0f}",
        ]


def judged(tried: Sequence[Silence], ends_at: Floats) -> Judged:
    """Cut-offs of pauses that are widened, and as they were recorded; delays of ends."""
    ends = np.array([one.is_end for one in tried])
    recorded = np.array([one.recorded_ms for one in tried])
    pauses = ends_at[~ends]
    cut = {pause: float((pauses <= pause).mean()) for pause in PAUSES_MS}
    p50, p95 = np.percentile(ends_at[ends], (50, 95))
    return Judged(cut, float((pauses <= recorded[~ends]).mean()), float(p50), float(p95))


def chosen(tried: Sequence[Silence], scores: Floats, later_ms: float) -> Waits:
    """The waits with the least mean delay that cut off at most `MOST_CUT`, and whose late ends are not too late."""
    order = np.argsort(scores)
    ends = np.array([one.is_end for one in tried])[order]
    sums: dict[int, tuple[Floats, Floats]] = {}
    for wait in {*SHORT_MS, *MIDDLE_MS, *LONG_MS}:
        ends_at = outcomes(tried, np.full(len(tried), float(wait)), later_ms)[order]
        cut = np.mean([ends_at <= pause for pause in PAUSES_MS], axis=0) * ~ends
        sums[wait] = tuple(np.concatenate(([0.0], np.cumsum(each))) for each in (cut, ends_at * ends))  # type: ignore[assignment]
    places = np.unique(np.linspace(0, len(tried), 40).astype(int))
    found = []
    for low, high in product(places, places):
        for short, middle, long in product(SHORT_MS, MIDDLE_MS, LONG_MS) if low <= high else ():
            cut, delay = (
                sums[long][at][low]
                + sums[middle][at][high]
                - sums[middle][at][low]
                + sums[short][at][-1]
                - sums[short][at][high]
                for at in (0, 1)
            )
            if cut <= MOST_CUT * (~ends).sum():
                found.append((float(delay), low, high, short, middle, long))
    ranked = scores[order]
    for _, low, high, short, middle, long in sorted(found):
        sure, unsure = (float(ranked[at]) if at < len(ranked) else 2.0 for at in (high, low))
        waits = Waits(sure, unsure, short, middle, long)
        if judged(tried, outcomes(tried, waits.of(scores), later_ms)).p95_ms <= MOST_P95_MS:
            return waits
    return Waits(2.0, -1.0, 800, 800, 800)


# --- all of it --------------------------------------------------------------------------------------------

COLUMNS = [
    "AUC, tuning",
    "AUC, test",
    "cut at 300 ms, %",
    "at 600 ms, %",
    "at 200 to 600 ms, %",
    "as recorded, %",
    "end, ms p50 / p95",
]


def row(name: str, cells: Sequence[str]) -> None:
    """A line of markdown."""
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def compare(title: str, tuning: Sequence[Silence], test: Sequence[Silence]) -> None:
    """The table of all ways, judged on the test half."""
    ends, test_ends = (np.array([one.is_end for one in half]) for half in (tuning, test))
    counts = ", ".join(f"{half.sum()} ends and {(~half).sum()} pauses" for half in (ends, test_ends))
    print(f"\n{title}: {counts}\n")
    row("", COLUMNS)
    print("| --- " * (len(COLUMNS) + 1) + "|")
    row("the server's table", ["", "", *judged(test, as_it_is(test)).cells()])
    for wait in (500, 650):
        row(
            f"{wait} ms of silence",
            ["", "", *judged(test, outcomes(test, np.full(len(test), float(wait)))).cells()],
        )
    weights = np.where(ends, 0.5 / ends.mean(), 0.5 / (~ends).mean())
    for name, features in WAYS.items():
        rows, test_rows = (np.array([features(one) for one in half]) for half in (tuning, test))
        fit = fitted(rows, ends, weights)
        scores, test_scores = fit.scores(rows), fit.scores(test_rows)
        later_ms = 200 if "later" in name or "both" in name else 0
        waits = chosen(tuning, scores, later_ms)
        found = judged(test, outcomes(test, waits.of(test_scores), later_ms))
        row(name, [interval(scores, ends), interval(test_scores, test_ends), *found.cells()])


def main() -> None:
    """Print a table for English, and one for all languages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--natural", type=float, default=120, help="the least length of a pause as recorded, in ms"
    )
    arguments = parser.parse_args()
    known = [
        one
        for one in load(cache_folder() / "silences.jsonl")
        if one.is_end or one.recorded_ms >= arguments.natural
    ]
    clean = [one for one in known if one.snr_db is None]
    for title, languages in (("English", ("en",)), ("Spanish, French, Italian", ("es", "fr", "it"))):
        halves = [
            [one for one in clean if one.half == half and one.language in languages]
            for half in ("tune", "test")
        ]
        compare(title, *halves)
    noisy = [one for one in known if one.snr_db == 10]
    if noisy:
        compare(
            "English at 10 dB", *([one for one in noisy if one.half == half] for half in ("tune", "test"))
        )


if __name__ == "__main__":
    main()
