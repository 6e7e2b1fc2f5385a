"""Greedy decoding by a script: it ends at the end, at the limit, and out of a loop after a few rounds; a guess saves
steps and changes no token."""

from collections.abc import Sequence

import numpy as np
import pytest

from stages.providers.moonshine.decode import (
    END,
    START,
    Hypothesis,
    decode,
    loop_period,
    openings,
    spelled,
    token_limit,
)
from stages.runtime.onnx import Floats


class Saying:
    """A decoder that says `tokens` as long as it was given them so far, and `given`, what it remembers to have been
    given; it is lost, and says 49, after anything else."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self.tokens = list(tokens)
        self.given: list[int] = []
        self.steps = 0

    def begin(self, tokens: Sequence[int]) -> Floats:
        return np.stack([self.step(token) for token in tokens])

    def step(self, token: int) -> Floats:
        self.steps += 1
        self.given.append(token)
        logits = np.zeros(50, np.float32)
        at = len(self.given) - 1
        is_lost = self.given[1:] != self.tokens[:at]
        logits[49 if is_lost else self.tokens[min(at, len(self.tokens) - 1)]] = 9.0
        return logits

    def keep(self, count: int) -> None:
        del self.given[count:]


def decoded(decoder: Saying, limit: int, guess: Sequence[int] = ()) -> Hypothesis:
    found = decode(decoder, limit, guess)
    assert found is not None
    return found


def test_it_ends_at_the_end_and_each_token_is_the_next_steps_input() -> None:
    decoder = Saying([5, 6, 7, END])
    found = decoded(decoder, 20)
    assert (found.tokens, found.is_ended) == ((5, 6, 7), True)
    assert decoder.given == [START, 5, 6, 7]
    assert -0.02 < found.log_probability < 0


def test_the_limit_is_not_an_end() -> None:
    decoder = Saying(range(5, 40))
    found = decoded(decoder, 8)
    assert (found.tokens, found.is_ended, len(decoder.given)) == (tuple(range(5, 13)), False, 8)


@pytest.mark.parametrize(
    "guess",
    [(5, 6, 7), (5, 6), (5, 9, 7), (9,), (5, 6, 7, 8, 9), (5, 6, 7, 8, 5, 5, 5, 5)],
    ids=["right", "short", "wrong in the middle", "wrong", "long", "too long"],
)
def test_a_guess_changes_no_token(guess: Sequence[int]) -> None:
    decoder = Saying([5, 6, 7, 8, END])
    plain, found = decoded(Saying([5, 6, 7, 8, END]), 20), decoded(decoder, 20, guess)
    assert (found.tokens, found.is_ended) == (plain.tokens, True)
    assert found.log_probability == pytest.approx(plain.log_probability, abs=1e-6)


def test_what_was_guessed_rightly_costs_no_step_of_its_own() -> None:
    guess = (5, 6, 4)
    decoder = Saying([5, 6, 7, 8, END])
    decoded(decoder, 20, guess)
    assert decoder.steps - len((START, *guess)) == 2  # of the 7 and the 8; the 4 was wrong


def test_who_is_told_to_stop_stops_between_two_steps() -> None:
    left = [True, True]
    decoder = Saying(range(5, 40))
    assert decode(decoder, 20, keep_going=lambda: bool(left) and left.pop()) is None
    assert len(decoder.given) == 3


@pytest.mark.parametrize("period", [[7], [7, 8], [7, 8, 9, 10]])
def test_of_a_loop_one_round_is_left(period: list[int]) -> None:
    decoder = Saying([5, 6, *period * 30])
    found = decoded(decoder, 100)
    assert (found.tokens, found.is_ended) == ((5, 6, *period), False)
    assert len(decoder.given) < 25


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


class Unsure(Saying):
    """Says one of several answers; which of them, its first token decides. The earlier ones are more probable."""

    def __init__(self, *answers: Sequence[int]) -> None:
        super().__init__([])
        self.answers = answers

    def step(self, token: int) -> Floats:
        self.given.append(token)
        logits = np.zeros(50, np.float32)
        if token == START:
            for at, answer in enumerate(self.answers):
                logits[answer[0]] = 9.0 - at
        else:
            answer = next(answer for answer in self.answers if answer[0] == self.given[1])
            logits[answer[len(self.given) - 1]] = 9.0
        return logits


def test_the_most_probable_beginnings_are_read_to_their_ends() -> None:
    found = openings(Unsure([5, 6, END], [7, END], [END], [8, 9, 10, END]), 20, 4, within=9.0)
    assert found is not None
    assert [one.tokens for one in found] == [(5, 6), (7,), (8, 9, 10)]
    assert all(one.is_ended for one in found)
    assert found[0].log_probability > found[1].log_probability


def test_a_beginning_goes_to_the_limit_at_most_and_stops_when_it_is_told() -> None:
    found = openings(Unsure([5] * 30), 4, 1, within=9.0)
    assert found is not None
    assert (found[0].tokens, found[0].is_ended) == ((5, 5, 5, 5), False)
    assert openings(Unsure([5, 6, END]), 4, 1, 9.0, keep_going=lambda: False) is None


def test_a_beginning_that_cannot_be_near_the_best_is_given_up_at_once() -> None:
    decoder = Unsure([5, 6, END], [7, 8, END], [9, END])
    found = openings(decoder, 20, 3, within=1.5)
    assert found is not None
    assert [one.tokens for one in found] == [(5, 6), (7, 8)]
    assert decoder.given == [START]


def test_a_text_is_spelled_in_the_pieces_that_the_decoder_likes_with_a_stop_or_without() -> None:
    pieces = {b"a": 5, b"b": 6, b"ab": 7, b"c": 8}
    stopping, ending = Saying([7, 8, 9, END]), Saying([7, 8, END])
    stopping.given = [1, 2, 3]
    assert -0.05 < spelled(stopping, b"abc", pieces, stop=9) < 0
    assert stopping.given == [START, 7, 8, 9]
    assert -0.05 < spelled(ending, b"abc", pieces, stop=9) < 0
    assert spelled(ending, b"ac", pieces, stop=9) < -10
