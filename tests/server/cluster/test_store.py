"""Budgets refill and places are given back, whatever order things come in; nothing grows without end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.cluster.store import Budget, Ledger

TEN_A_MINUTE = Budget(10, 60.0)


def test_all_of_a_budget_may_be_spent_at_once_and_then_it_refills() -> None:
    ledger = Ledger()
    assert [ledger.spend("k", TEN_A_MINUTE, 1, 0.0) for _ in range(11)] == [0.0] * 10 + [6.0]
    assert ledger.spend("k", TEN_A_MINUTE, 1, 5.0) == pytest.approx(1)
    assert ledger.spend("k", TEN_A_MINUTE, 1, 6.0) == 0.0
    assert ledger.spend("other", TEN_A_MINUTE, 10, 6.0) == 0.0


def test_asking_costs_nothing() -> None:
    ledger = Ledger()
    assert all(ledger.spend("k", TEN_A_MINUTE, 0, 0.0) == 0 for _ in range(20))
    ledger.spend("k", TEN_A_MINUTE, 10, 0.0)
    assert ledger.spend("k", TEN_A_MINUTE, 0, 0.0) == 6.0


def test_more_than_a_budget_holds_waits_until_it_is_full() -> None:
    ledger = Ledger()
    assert ledger.spend("k", TEN_A_MINUTE, 100, 0.0) == 0.0
    assert ledger.spend("k", TEN_A_MINUTE, 100, 0.0) > 0


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0.1, 12)), max_size=60))
def test_never_more_than_the_budget_and_its_refill(steps: list[tuple[float, float]]) -> None:
    ledger, now, spent = Ledger(), 0.0, 0.0
    for pause_s, amount in steps:
        now += pause_s
        wait_s = ledger.spend("k", TEN_A_MINUTE, min(amount, 10), now)
        if wait_s == 0:
            spent += min(amount, 10)
        else:
            assert ledger.spend("k", TEN_A_MINUTE, min(amount, 10), now + wait_s + 1e-6) == 0
            spent += min(amount, 10)
            now += wait_s + 1e-6
        assert spent <= 10 + now / 6 + 1e-3


def test_places_are_taken_kept_given_back_and_expire() -> None:
    ledger = Ledger()
    assert ledger.claim("k", "a", 2, 10, 0.0) == 0
    assert ledger.claim("k", "b", 2, 20, 0.0) == 0
    assert ledger.claim("k", "c", 2, 10, 1.0) == 9
    assert ledger.claim("k", "a", 2, 30, 1.0) == 0, "it has one"
    ledger.release("k", "b")
    ledger.release("k", "nobody")
    assert ledger.claim("k", "c", 2, 10, 1.0) == 0
    assert ledger.claim("k", "d", 2, 10, 10.9) > 0
    assert ledger.claim("k", "d", 2, 10, 11.0) == 0, "the lease of c is over"


def test_what_is_over_leaves_nothing_and_nothing_grows_without_end() -> None:
    ledger = Ledger(max_keys=100)
    for number in range(1_000):
        assert ledger.spend(f"k{number}", TEN_A_MINUTE, 1, 0.0) == 0
        assert len(ledger) <= 100
    ledger = Ledger()
    ledger.claim("k", "a", 1, 10, 0.0)
    ledger.release("k", "a")
    assert len(ledger) == 0
