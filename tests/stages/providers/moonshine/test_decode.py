"""Greedy decoding by a script: it ends at the end, at the limit, and out of a loop after a few rounds."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from stages.providers.moonshine.decode import END, START, decode, loop_period, token_limit
from stages.runtime.onnx import Floats


def saying(tokens: Sequence[int]) -> tuple[Callable[[int], Floats], list[int]]:
    """A decoder that says `tokens`, and what it was given."""
    given: list[int] = []

    def step(token: int) -> Floats:
        given.append(token)
        logits = np.zeros(50, np.float32)
        logits[tokens[min(len(given), len(tokens)) - 1]] = 9.0
        return logits

    return step, given


def test_it_ends_at_the_end_and_each_token_is_the_next_steps_input() -> None:
    step, given = saying([5, 6, 7, END])
    found = decode(step, 20)
    assert (found.tokens, found.is_ended) == ((5, 6, 7), True)
    assert given == [START, 5, 6, 7]
    assert -0.02 < found.log_probability < 0


def test_the_limit_is_not_an_end() -> None:
    step, given = saying(range(5, 40))
    found = decode(step, 8)
    assert (found.tokens, found.is_ended, len(given)) == (tuple(range(5, 13)), False, 8)


@pytest.mark.parametrize("period", [[7], [7, 8], [7, 8, 9, 10]])
def test_of_a_loop_one_round_is_left(period: list[int]) -> None:
    step, given = saying([5, 6, *period * 30])
    found = decode(step, 100)
    assert (found.tokens, found.is_ended) == ((5, 6, *period), False)
    assert len(given) < 25


@pytest.mark.parametrize(
    "tokens",
    [[5, 9, 5, 9, 5, 9, 5, 9], [4] * 8, [1, 2, 3, 1, 2, 3, 1, 2, 3]],
    ids=["four fives", "eight", "thrice"],
)
def test_what_may_have_been_said_is_no_loop(tokens: list[int]) -> None:
    assert loop_period(tokens) == 0


def test_more_speech_may_have_more_tokens() -> None:
    assert token_limit(0.5) == 11
    assert token_limit(10) == 73
