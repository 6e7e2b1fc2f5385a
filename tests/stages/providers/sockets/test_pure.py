"""Replay, the connection's clock, failure counting and the tables of codes: no loop, no socket."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import ErrorKind, ProviderBusy, ProviderError, ProviderRejected, ProviderTimeout
from stages.providers.sockets.failures import Failures, RetryPolicy
from stages.providers.sockets.faults import close_fault, is_retryable, status_fault
from stages.providers.sockets.finalising import Finalising
from stages.providers.sockets.replay import Replay


@given(st.lists(st.integers(0, 400), max_size=30), st.integers(0, 12_000))
def test_what_is_not_settled_is_sent_again_from_there(lengths: list[int], settled: int) -> None:
    replay, at = Replay(16_000), 0
    for length in lengths:
        replay.push(np.arange(at, at + length, dtype=np.int16))
        at += length
    replay.settle(settled)
    again = [int(value) for piece in replay.again() for value in piece]
    assert again == list(range(min(settled, at), at))
    assert replay.sample_at(0.01) == min(settled, at) + 160
    assert not replay.lost_samples


def test_the_oldest_audio_goes_when_there_is_too_much() -> None:
    replay = Replay(100, max_s=10)
    for _ in range(30):
        replay.push(np.ones(100, np.int16))
    kept = sum(map(len, replay.again()))
    assert 1000 <= kept <= 1100
    assert replay.lost_samples == 3000 - kept


def test_an_answer_makes_final_what_was_asked_for_before_it() -> None:
    replay = Replay(1_000)
    replay.push(np.zeros(2_000, np.int16))
    finalising = Finalising(replay)
    assert [finalising.ask(end) for end in (500, 500, 900, 2_000)] == [True, False, True, True]
    assert list(finalising.answered(None)) == [500]
    assert list(finalising.answered(0.85)) == [900], "services round where their text ends"
    assert list(finalising.answered(1.2)) == []
    assert finalising.forget() == 2_000
    assert not finalising.is_waiting
    assert list(finalising.answered(None)) == []


def test_the_first_retry_is_at_once_and_the_third_quick_failure_ends_it() -> None:
    failures, error = Failures(RetryPolicy(wait_s=0.5)), ProviderError("lost")
    assert [failures.lost(error, 1.0) for _ in range(3)] == [0.0, 0.5, None]
    assert failures.rest_s(error) == 15.0
    assert [failures.lost(error, 1.0) for _ in range(3)] == [0.0, 0.5, None]


def test_a_connection_that_lived_is_no_quick_failure() -> None:
    failures, error = Failures(), ProviderError("lost")
    assert [failures.lost(error, lasted) for lasted in (1, 1, 60, 1, 1, 1)] == [
        0.0,
        0.25,
        0.0,
        0.0,
        0.25,
        None,
    ]


def test_a_refusal_ends_it_at_once_for_as_long_as_the_service_asks() -> None:
    failures = Failures()
    assert failures.lost(ProviderRejected("no"), 60.0) is None
    busy = ProviderBusy("full", retry_after_s=3.0)
    assert failures.lost(busy, 0.0) is None
    assert failures.rest_s(busy) == 3.0


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (400, ErrorKind.BAD_REQUEST, ProviderRejected),
        (401, ErrorKind.AUTH, ProviderRejected),
        (402, ErrorKind.QUOTA, ProviderRejected),
        (403, ErrorKind.AUTH, ProviderRejected),
        (404, ErrorKind.BAD_REQUEST, ProviderRejected),
        (408, ErrorKind.TIMEOUT, ProviderTimeout),
        (429, ErrorKind.RATE, ProviderBusy),
        (500, ErrorKind.SERVER, ProviderError),
        (503, ErrorKind.SERVER, ProviderError),
    ],
)
def test_statuses(status: int, kind: ErrorKind, error: type) -> None:
    found = status_fault("acme", status, "7")
    assert (found.kind, type(found), found.retry_after_s) == (kind, error, 7.0)
    assert f"HTTP {status}" in str(found)


def test_a_retry_after_that_is_a_date_is_as_good_as_none() -> None:
    assert status_fault("acme", 429, "Wed, 21 Oct 2026 07:28:00 GMT").retry_after_s is None


@pytest.mark.parametrize("code", [1001, 1005, 1006, 1011, 1012, 1015])
def test_close_codes_that_are_worth_another_try(code: int) -> None:
    assert is_retryable(close_fault("acme", code))


@pytest.mark.parametrize("code", [1003, 1007, 1008, 1009, 1013, 4000, 4999])
def test_close_codes_that_are_not(code: int) -> None:
    assert not is_retryable(close_fault("acme", code))


def test_the_services_own_codes_and_words_go_first() -> None:
    table: dict[int | str, ErrorKind] = {4031: ErrorKind.TIMEOUT_IDLE, "NET-0001": ErrorKind.TIMEOUT_IDLE}
    assert close_fault("acme", 4031, table=table).kind is ErrorKind.TIMEOUT_IDLE
    assert close_fault("acme", 1011, "NET-0001: idle", table).kind is ErrorKind.TIMEOUT_IDLE
    assert close_fault("acme", 1011, "NET-0000", table).kind is ErrorKind.SERVER


def test_long_reasons_are_shortened() -> None:
    assert len(str(close_fault("acme", 1011, "x" * 10_000))) < 300
