"""Every turn begins once and ends once, in the promised order, whatever signs come."""

from hypothesis import given
from hypothesis import strategies as st

from stages.ports import TurnBegan, TurnEndsEarly, TurnEvent, TurnHeard, TurnOver, TurnResumed
from stages.providers.sockets.turns import Sign, Turns, TurnSign


def told(*signs: TurnSign) -> list[TurnEvent]:
    turns = Turns(16_000)
    return [event for sign in signs for event in turns.feed(sign, lambda s: int((s or 0) * 16_000))]


def names(events: list[TurnEvent]) -> str:
    letters = {TurnBegan: "B", TurnHeard: "h", TurnEndsEarly: "E", TurnResumed: "r", TurnOver: "O"}
    return "".join(letters[type(event)] for event in events)


SIGNS = st.builds(TurnSign, st.sampled_from(list(Sign)), st.sampled_from(["", "yes", "yes please"]))


@given(st.lists(SIGNS, max_size=30))
def test_any_signs_give_events_in_order(signs: list[TurnSign]) -> None:
    state, early = "idle", ""
    for event in told(*signs):
        match state, event:
            case "idle", TurnBegan():
                state = "running"
            case "running", TurnHeard():
                pass
            case "running", TurnEndsEarly(transcript):
                state, early = "early", transcript.text
            case "early", TurnResumed():
                state = "running"
            case "early", TurnOver(transcript):
                assert transcript.text == early
                state = "idle"
            case "running", TurnOver():
                state = "idle"
            case _:
                raise AssertionError(f"{event} while {state}")


def test_a_turn_that_is_heard_again_after_a_reconnect_begins_once_and_takes_its_early_end_back() -> None:
    once = [TurnSign(Sign.BEGAN), TurnSign(Sign.HEARD, "yes"), TurnSign(Sign.ENDS_EARLY, "yes")]
    again = [TurnSign(Sign.BEGAN), TurnSign(Sign.HEARD, "yes"), TurnSign(Sign.OVER, "yes")]
    assert names(told(*once, *again)) == "BhErO"


def test_a_second_end_is_none() -> None:
    assert names(told(TurnSign(Sign.BEGAN), TurnSign(Sign.OVER, "yes"), TurnSign(Sign.OVER, "yes"))) == "BO"


def test_an_end_with_other_words_than_the_early_one_takes_that_back() -> None:
    assert names(told(TurnSign(Sign.ENDS_EARLY, "yes"), TurnSign(Sign.OVER, "yes please"))) == "BErO"


def test_an_early_end_without_words_is_taken_back_by_an_end_with_some() -> None:
    signs = (TurnSign(Sign.BEGAN, "yes"), TurnSign(Sign.ENDS_EARLY), TurnSign(Sign.OVER, "yes"))
    assert names(told(*signs)) == "BhErO"
