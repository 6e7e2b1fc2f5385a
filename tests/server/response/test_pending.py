"""What waits behind an answer: the table is total, and no request is forgotten, whatever happens in whatever order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.values import Response
from server.response.pending import TABLE, Happening, Pending, PendingAction, Waiting
from server.turntaking.question import Question

H, W = Happening, Waiting


def request(number: int) -> Question:
    return Question(requested=True, response=Response(f"resp_{number}"))


def turn() -> Question:
    return Question(ended_by="silence")


@pytest.mark.parametrize("state", Waiting)
@pytest.mark.parametrize("happening", Happening)
def test_the_table_is_total(state: Waiting, happening: Happening) -> None:
    assert TABLE[state][happening].next in Waiting


def test_every_deed_is_done_somewhere() -> None:
    assert {row.deed for rows in TABLE.values() for row in rows.values()} == set(PendingAction)


def test_a_request_goes_before_the_turn_and_its_answer_settles_both() -> None:
    pending, asked = Pending(), request(1)
    pending.came(turn())
    assert pending.came(asked) is PendingAction.ANNOUNCE
    assert pending.take() is asked
    pending.answered(asked)
    assert pending.state is W.NOTHING


def test_a_turn_outlives_a_request_that_is_silenced() -> None:
    pending, said = Pending(), turn()
    asked = request(1)
    pending.came(asked)
    pending.came(said)
    assert pending.silence() is asked
    assert pending.take() is said


@given(st.lists(st.sampled_from(Happening), max_size=30))
def test_every_request_that_comes_is_refused_or_taken_or_silenced_or_waits(
    happenings: list[Happening],
) -> None:
    pending, ended, taken, came = Pending(), [], Question(), []
    for number, happening in enumerate(happenings):
        match happening:
            case H.TURN_CAME:
                pending.came(turn())
            case H.REQUEST_CAME:
                came.append(request(number))
                if pending.came(came[-1]) is PendingAction.REFUSE:
                    ended.append(came[-1])
            case H.TAKEN:
                taken = pending.take() or turn()
                ended += [taken] if taken.requested else []
            case H.SILENCED:
                ended += filter(None, [pending.silence()])
            case H.ANSWERED:
                pending.answered(taken)
        assert (pending.request is not None) == (pending.state in (W.REQUEST, W.BOTH))
    waiting = [] if pending.request is None else [pending.request]
    key = lambda question: question.response.id  # noqa: E731
    assert sorted(ended + waiting, key=key) == sorted(came, key=key)
