"""When a conversation with a recording is over: all that was said has been answered."""

from typing import Any

from server.client.exchange import TRANSCRIBED, Exchange


def started(item: str) -> dict[str, Any]:
    return {"type": "input_audio_buffer.speech_started", "item_id": item}


def stopped(item: str) -> dict[str, Any]:
    return {"type": "input_audio_buffer.speech_stopped", "item_id": item}


def transcribed(item: str, text: str) -> dict[str, Any]:
    return {"type": TRANSCRIBED, "item_id": item, "transcript": text}


def created(answer: str) -> dict[str, Any]:
    return {"type": "response.created", "response": {"id": answer}}


def done(answer: str) -> dict[str, Any]:
    return {"type": "response.done", "response": {"id": answer}}


def settled_after(*events: dict[str, Any]) -> list[bool]:
    """Whether all was answered after each of the events."""
    exchange = Exchange()
    told = []
    for event in events:
        exchange.take(event)
        told.append(exchange.is_settled)
    return told


def test_a_turn_is_open_from_its_first_sound_to_the_end_of_its_answer() -> None:
    assert settled_after(started("1"), stopped("1"), created("a"), done("a")) == [False, False, False, True]


def test_the_first_answer_is_not_the_end_while_somebody_speaks_or_waits() -> None:
    first = (started("1"), stopped("1"), created("a"), started("2"), done("a"))
    second = (stopped("2"), created("b"), done("b"))
    assert settled_after(*first, *second) == [False] * 7 + [True]


def test_a_noise_without_words_is_owed_nothing() -> None:
    turn = (started("1"), stopped("1"), created("a"), done("a"))
    assert settled_after(*turn, started("2"), stopped("2"), transcribed("2", " "))[-1]
    assert settled_after(*turn, started("2"), transcribed("2", ""), stopped("2"))[-1]
    assert not settled_after(*turn, started("2"), stopped("2"), transcribed("2", "hello"))[-1]


def given_up(*before: dict[str, Any]) -> Exchange:
    """Somebody who has gone on after this."""
    exchange = Exchange()
    for event in before:
        exchange.take(event)
    exchange.give_up()
    return exchange


def test_a_late_answer_to_what_was_given_up_counts_for_nothing() -> None:
    exchange = given_up(started("1"), stopped("1"))
    for event in (started("2"), created("a"), stopped("2"), done("a")):
        exchange.take(event)
    assert (exchange.answers, exchange.is_settled, exchange.is_awaited("a")) == (0, False, False)
    for event in (created("b"), done("b")):
        exchange.take(event)
    assert (exchange.answers, exchange.is_settled, exchange.is_awaited("b")) == (1, True, True)


def test_an_answer_that_goes_on_for_too_long_counts_for_nothing_either() -> None:
    exchange = given_up(started("1"), stopped("1"), created("a"))
    for event in (started("2"), stopped("2"), done("a")):
        exchange.take(event)
    assert (exchange.answers, exchange.is_settled) == (0, False)


def test_who_was_still_speaking_is_answered_after_all() -> None:
    exchange = given_up(started("1"))
    for event in (stopped("1"), created("a"), done("a")):
        exchange.take(event)
    assert exchange.is_settled


def test_nothing_at_all_is_not_over() -> None:
    assert (
        settled_after({"type": "session.created"}, started("1"), stopped("1"), transcribed("1", ""))
        == [False] * 4
    )
