"""A process refuses sessions when it is late for seconds, not for a moment, and takes them when it has recovered."""

import pytest

from server.telemetry.pressure import Pressure, Strain


def pressed(lags_s: list[float], waits_s: list[float] | None = None) -> Strain:
    pressure = Pressure(max_lag_s=0.1, max_wait_s=1.0)
    for n, lag_s in enumerate(lags_s):
        pressure.note(lag_s, waits_s[n] if waits_s else 0.0)
    return pressure.strain


def test_one_slow_step_refuses_nobody() -> None:
    assert pressed([0.0] * 20 + [2.0]) is Strain.LIGHT


def test_a_loop_that_is_late_for_seconds_takes_no_more() -> None:
    assert pressed([0.2] * 30) is Strain.HEAVY


def test_so_does_a_model_for_which_calls_wait() -> None:
    assert pressed([0.0] * 60, [2.0] * 60) is Strain.HEAVY
    assert pressed([0.0] * 60, [0.9] * 60) is Strain.LIGHT


@pytest.mark.parametrize(("lag_s", "then"), [(0.08, Strain.HEAVY), (0.03, Strain.LIGHT)])
def test_it_takes_sessions_again_when_it_has_fallen_to_half(lag_s: float, then: Strain) -> None:
    assert pressed([0.2] * 60 + [lag_s] * 120) is then


def test_a_limit_of_zero_is_none() -> None:
    pressure = Pressure(0.0, 0.0)
    for _ in range(100):
        pressure.note(10.0, 10.0)
    assert pressure.strain is Strain.LIGHT
