"""A token bucket: who waits gets the rate and the burst, and no more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.token_bucket import TokenBucket


def test_a_bucket_starts_full_and_is_paid_afterwards() -> None:
    bucket = TokenBucket(per_s=10, burst=5, now=100.0)
    assert bucket.wait_s(100.0) == 0
    bucket.spend(4, 100.0)
    assert bucket.wait_s(100.0) == 0
    bucket.spend(11, 100.0)  # ten more than there was
    assert bucket.wait_s(100.0) == pytest.approx(1.1)
    assert bucket.wait_s(101.05) == 0


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    bucket = TokenBucket(per_s=10, burst=5, now=0.0)
    bucket.spend(0, 1_000.0)
    bucket.spend(6, 1_000.0)
    assert bucket.wait_s(1_000.0) > 0


@given(
    st.lists(st.tuples(st.floats(0, 0.5), st.integers(0, 50)), max_size=60),
    st.integers(1, 100),
    st.integers(1, 100),
)
def test_whoever_waits_gets_the_rate_and_the_burst_and_no_more(
    asked: list[tuple[float, int]], per_s: int, burst: int
) -> None:
    bucket, now, spent = TokenBucket(per_s, burst, 0.0), 0.0, 0
    for pause_s, amount in asked:
        now += pause_s
        now += bucket.wait_s(now)
        bucket.spend(amount, now)
        spent += amount
    assert spent <= burst + per_s * now + 50  # paid afterwards: one more than there was
