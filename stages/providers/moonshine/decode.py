"""From steps of a decoder to tokens: greedy, and out of any loop after a few rounds. Pure.

A step takes one token and gives the next token's logits; how a step is done is the engine's business. Who has a guess,
such as what an earlier reading wrote when there was less speech, has it checked in one step, which costs as much as
three of the others; the tokens are the same as without it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from stages.runtime.onnx import Floats

START, END = 1, 2

_TOKENS_PER_S = 6.5
"""Chosen, not measured here: the limit that is usual for this model."""
_TOKENS_MORE = 8

_LONGEST_PERIOD = 12
_LOOP_TOKENS = 12
"""A period that comes again and again is a loop when it fills so many tokens, and has come `_ROUNDS` times.
"5, 5, 5, 5" is eight tokens, and may be somebody's number."""
_ROUNDS = 4


class Decoder(Protocol):
    """One reading's decoder: it remembers the tokens that it was given."""

    def begin(self, tokens: Sequence[int]) -> Floats:
        """The logits of what follows each of the first `n` tokens: `float32[n, vocabulary]`."""

    def step(self, token: int) -> Floats:
        """The logits of what follows one more token: `float32[vocabulary]`."""

    def keep(self, count: int) -> None:
        """Forget all tokens that it was given but the first `count`."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Tokens without start and end, and the mean log probability of one."""

    tokens: tuple[int, ...]
    log_probability: float
    is_ended: bool
    """False if it ran into a loop, of which one round is left, or to the limit."""


def token_limit(duration_s: float) -> int:
    """How many tokens to allow for so much speech."""
    return int(duration_s * _TOKENS_PER_S) + _TOKENS_MORE


def decode(
    decoder: Decoder, limit: int, guess: Sequence[int] = (), keep_going: Callable[[], bool] = lambda: True
) -> Hypothesis | None:
    """The most probable token after each step, until the end, a loop or the limit; None if told not to go on."""
    checked: Floats | None = decoder.begin([START, *guess])
    tokens: list[int] = []
    total = 0.0
    for count in range(1, limit + 1):
        if checked is not None:
            logits = checked[count - 1]
        elif keep_going():
            logits = decoder.step(tokens[-1])
        else:
            return None
        token = int(logits.argmax())
        total += _log_probability(logits, token)
        if token == END:
            return Hypothesis(tuple(tokens), total / count, is_ended=True)
        tokens.append(token)
        period = loop_period(tokens)
        if period:
            return Hypothesis(tuple(_one_round(tokens, period)), total / count, is_ended=False)
        if checked is not None and tuple(guess[count - 1 : count]) != (token,):
            decoder.keep(count)
            checked = None
    return Hypothesis(tuple(tokens), total / max(limit, 1), is_ended=False)


def openings(
    decoder: Decoder,
    limit: int,
    count: int,
    within: float,
    keep_going: Callable[[], bool] = lambda: True,
) -> list[Hypothesis] | None:
    """What follows each of the `count` most probable first tokens, taken greedily; None if told not to go on.

    For a word or two: where the first token decides what is said, these are the readings to choose from. Left out are
    those whose log probability as a whole is by more than `within` less than that of the most probable before it; most
    of them are given up at their first token.
    """
    first = decoder.begin([START])[-1]
    found = []
    best = -np.inf
    for token in map(int, np.argsort(-first)[:count]):
        tokens, total, is_ended = [token], _log_probability(first, token), token == END
        if is_ended:
            continue
        decoder.keep(1)
        while not is_ended and len(tokens) < limit and total >= best - within:
            if not keep_going():
                return None
            logits = decoder.step(tokens[-1])
            following = int(logits.argmax())
            total += _log_probability(logits, following)
            is_ended = following == END
            if not is_ended:
                tokens.append(following)
        if total >= best - within:
            found.append(Hypothesis(tuple(tokens), total / (len(tokens) + is_ended), is_ended))
            best = max(best, total)
    return found


def spelled(decoder: Decoder, text: bytes, pieces: Mapping[bytes, int], stop: int) -> float:
    """The log probability as a whole of just this text, in the pieces that the decoder likes best, with or without the
    full stop `stop` behind it. What the decoder has been given before is forgotten."""
    decoder.keep(0)
    logits = decoder.begin([START])[-1]
    total, at = 0.0, 0
    while at < len(text):
        starts = (text[at:end] for end in range(at + 1, len(text) + 1))
        piece = max((start for start in starts if start in pieces), key=lambda found: logits[pieces[found]])
        total += _log_probability(logits, pieces[piece])
        logits = decoder.step(pieces[piece])
        at += len(piece)
    stopped = _log_probability(logits, stop) + _log_probability(decoder.step(stop), END)
    return total + max(_log_probability(logits, END), stopped)


def loop_period(tokens: Sequence[int]) -> int:
    """The length of what comes again and again at the end; 0 if nothing does."""
    for period in range(1, _LONGEST_PERIOD + 1):
        rounds = max(_ROUNDS, -(-_LOOP_TOKENS // period))
        span = period * rounds
        if len(tokens) >= span and tokens[-span:-period] == tokens[-span + period :]:
            return period
    return 0


def _one_round(tokens: Sequence[int], period: int) -> Sequence[int]:
    last = len(tokens) - period
    while last >= period and tokens[last - period : last] == tokens[last : last + period]:
        last -= period
    return tokens[: last + period]


def _log_probability(logits: Floats, token: int) -> float:
    highest = float(logits[token])
    return -float(np.log(np.exp(logits - highest).sum()))
