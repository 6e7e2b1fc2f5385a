"""When a provider is asked again, and what its breaker remembers of it."""

from stages.providers.failover.breaker import FAILURES, PAUSE_S, BreakerState, CircuitBreaker


def opened(at: float = 0.0) -> CircuitBreaker:
    breaker = CircuitBreaker()
    for _ in range(FAILURES):
        assert breaker.admits(at)
        breaker.failed(at)
    return breaker


def test_it_opens_after_several_failures_in_a_row_and_not_before() -> None:
    breaker = CircuitBreaker()
    for _ in range(FAILURES - 1):
        breaker.failed(0.0)
    assert breaker.admits(0.0)
    breaker.succeeded(0.1)
    breaker.failed(0.0)
    assert breaker.state is BreakerState.CLOSED
    assert not opened().admits(PAUSE_S - 0.1)


def test_one_probe_goes_when_the_pause_is_over() -> None:
    breaker = opened()
    assert breaker.admits(PAUSE_S)
    assert not breaker.admits(PAUSE_S)
    breaker.succeeded(0.2)
    assert breaker.state is BreakerState.CLOSED
    assert breaker.admits(PAUSE_S)


def test_a_failed_probe_doubles_the_pause() -> None:
    breaker = opened()
    assert breaker.admits(PAUSE_S)
    breaker.failed(PAUSE_S)
    assert not breaker.admits(3 * PAUSE_S - 0.1)
    assert breaker.admits(3 * PAUSE_S)


def test_a_probe_that_is_never_heard_of_again_does_not_keep_it_closed_for_ever() -> None:
    breaker = opened()
    assert breaker.admits(PAUSE_S)
    assert breaker.admits(2 * PAUSE_S)


def test_what_lasts_opens_it_at_once_and_what_was_asked_for_is_kept_to() -> None:
    rejected, limited = CircuitBreaker(), CircuitBreaker()
    rejected.failed(0.0, lasting=True)
    assert not rejected.admits(0.0)
    limited.failed(0.0, retry_after_s=30.0)
    assert not limited.admits(29.0)
    assert limited.admits(30.0)


def test_percentiles_of_the_time_to_the_first_result() -> None:
    breaker = CircuitBreaker()
    assert breaker.first_result_s(0.5) is None
    for hundredths in range(1, 101):
        breaker.succeeded(hundredths / 100)
    assert (breaker.first_result_s(0.5), breaker.first_result_s(0.95)) == (0.5, 0.95)
