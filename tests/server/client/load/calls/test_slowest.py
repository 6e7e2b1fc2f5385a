"""Of what callers hear who keep nothing the slowest answers are kept all the same, and no more than there are to be."""

import numpy as np

from server.client.load.calls.run import worst_of
from server.client.load.calls.slowest import Slowest
from server.client.load.calls.turns import Outcome, Turn, TurnKind
from server.client.load.hearing.answers import BEGINNING_S, HeardAnswer, Keeps
from server.client.load.reference.agent import Conduct
from tests.server.client.load.booth import SAY, call, scenario


def turn_of(answer_after_ms: int, **manner: object) -> Turn:
    (turn,) = call(scenario(SAY), Conduct(answer_after_ms=answer_after_ms, answer_ms=1_200), **manner).turns
    return turn


def test_a_turn_that_was_waited_for_longer_takes_the_place_of_another() -> None:
    slowest = Slowest(1)
    turns = [turn_of(ms, slowest=slowest) for ms in (500, 900, 700)]
    assert [turn.audio is not None for turn in turns] == [False, True, False]
    assert [bool(turn.packets) for turn in turns] == [False, True, False]


def test_its_sound_is_whole() -> None:
    kept, all_along = turn_of(500, slowest=Slowest(1)), turn_of(500, keeps_audio=True)
    assert kept.audio is not None
    assert all_along.audio is not None
    assert np.array_equal(kept.audio, all_along.audio)
    assert kept.packets == all_along.packets


def test_whoever_keeps_all_does_so_however_fast_the_answer_was() -> None:
    slowest = Slowest(1)
    turns = [turn_of(ms, slowest=slowest, keeps_audio=True) for ms in (900, 500)]
    assert all(turn.audio is not None for turn in turns)


def test_an_answer_that_is_wanted_too_late_is_not_there_with_a_hole() -> None:
    answer = HeardAnswer(0, 0.0, keeps=Keeps.BEGINNING, heard_s=1.0)
    block = np.ones(480, np.int16)
    answer.keep(block, 1.0 + BEGINNING_S / 2)
    assert len(answer.played) == 1
    answer.keep(block, 1.0 + BEGINNING_S)
    turn = Turn(0, "late", 1, TurnKind.RESPOND, (0.0, 0.5), v2v_ms=500.0)
    Slowest(1).offer(turn, answer)
    assert (answer.keeps, answer.played) == (Keeps.NOTHING, [])


def test_turns_that_say_nothing_are_none_of_the_worst() -> None:
    slow = Turn(0, "one", 1, TurnKind.RESPOND, (0.0, 0.5), Outcome.DISCARDED, v2v_ms=900.0)
    fast = Turn(0, "one", 2, TurnKind.RESPOND, (2.0, 2.5), v2v_ms=300.0)
    assert worst_of([slow, fast]) == [fast]
