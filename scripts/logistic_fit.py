"""Tells ends from pauses by a logistic regression, and how well it does: AUC with an interval by bootstrap."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """Weights of the features, the last one for a constant, and what they are scaled by."""

    weights: Floats
    middle: Floats
    spread: Floats

    def scores(self, rows: Floats) -> Floats:
        """The probability of an end, for each row."""
        scaled = np.hstack([(rows - self.middle) / self.spread, np.ones((len(rows), 1))])
        return np.asarray(1 / (1 + np.exp(-scaled @ self.weights)), np.float64)


def fitted(rows: Floats, ends: npt.NDArray[np.bool_], weights: Floats, ridge: float = 1.0) -> Fit:
    """By Newton's method; `weights` are those of the cases."""
    middle, spread = rows.mean(0), rows.std(0) + 1e-6
    scaled = np.hstack([(rows - middle) / spread, np.ones((len(rows), 1))])
    penalty = np.diag([ridge] * rows.shape[1] + [1e-6])
    found = np.zeros(scaled.shape[1])
    for _ in range(30):
        expected = 1 / (1 + np.exp(-scaled @ found))
        slope = scaled.T @ (weights * (expected - ends)) + penalty @ found
        curve = (scaled * (weights * expected * (1 - expected))[:, None]).T @ scaled + penalty
        found = found - np.linalg.solve(curve, slope)
    return Fit(found, middle, spread)


def auc(scores: Floats, ends: npt.NDArray[np.bool_]) -> float:
    """How often an end scores higher than a pause."""
    above = scores[ends][:, None] - scores[~ends][None]
    return float((above > 0).mean() + (above == 0).mean() / 2)


def interval(scores: Floats, ends: npt.NDArray[np.bool_], n_samples: int = 400) -> str:
    """AUC with 95 %, by bootstrap."""
    chance = np.random.default_rng(7)
    picks = (chance.integers(0, len(ends), len(ends)) for _ in range(n_samples))
    found = [auc(scores[pick], ends[pick]) for pick in picks if 0 < ends[pick].sum() < len(pick)]
    low, high = np.percentile(found, (2.5, 97.5))
    return f"{auc(scores, ends):.2f} ({low:.2f}–{high:.2f})"
