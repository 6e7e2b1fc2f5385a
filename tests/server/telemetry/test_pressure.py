"""A process refuses sessions when it is late, not for one slow step, and takes them when it has recovered."""

import pytest

from server.telemetry.pressure import CALM_S, LOOK_S, MAX_RETRY_S, Cause, Pressure, Strain


def pressed(lags_s: list[float], waits_s: list[float] | None = None) -> Pressure:
    pressure = Pressure(max_lag_s=0.1, max_wait_s=1.0)
    for n, lag_s in enumerate(lags_s):
        pressure.note(lag_s, waits_s[n] if waits_s else 0.0, n * LOOK_S)
    return pressure


def after(pressure: Pressure, looks: int, wait_s: float, began: int = 100) -> Strain:
    for n in range(began, began + looks):
        pressure.note(0.0, wait_s, n * LOOK_S)
    return pressure.strain


def test_one_slow_step_refuses_nobody() -> None:
    assert pressed([0.0] * 20 + [2.0]).strain is Strain.LIGHT


def test_a_loop_that_is_late_for_seconds_takes_no_more() -> None:
    late = pressed([0.2] * 30)
    assert (late.strain, late.cause) == (Strain.HEAVY, Cause.LOOP)


def test_so_does_one_whose_models_would_be_waited_for() -> None:
    late = pressed([0.0] * 8, [2.0] * 8)
    assert (late.strain, late.cause) == (Strain.HEAVY, Cause.MODELS)
    assert pressed([0.0] * 60, [0.9] * 60).strain is Strain.LIGHT


@pytest.mark.parametrize(("lag_s", "then"), [(0.08, Strain.HEAVY), (0.03, Strain.LIGHT)])
def test_it_takes_sessions_again_when_it_has_fallen_to_half(lag_s: float, then: Strain) -> None:
    assert pressed([0.2] * 60 + [lag_s] * 120).strain is then


def test_and_has_been_there_for_a_while() -> None:
    calm_looks = round(CALM_S / LOOK_S)
    late = pressed([0.0] * 100, [2.0] * 100)
    assert after(late, calm_looks, 0.0) is Strain.HEAVY
    assert after(late, 1, 2.0, began=100 + calm_looks) is Strain.HEAVY, "one look is not calm: it begins anew"
    assert after(late, calm_looks, 0.0, began=101 + calm_looks) is Strain.HEAVY
    assert after(late, 10, 0.0, began=101 + 2 * calm_looks) is Strain.LIGHT


def test_a_limit_of_zero_is_none() -> None:
    pressure = Pressure(0.0, 0.0)
    for n in range(100):
        pressure.note(10.0, 10.0, n * LOOK_S)
    assert pressure.strain is Strain.LIGHT


def test_who_is_refused_is_told_to_come_when_what_waits_is_done() -> None:
    short, long = pressed([0.0] * 10, [1.5] * 10), pressed([0.0] * 30, [8.0] * 30)
    assert short.retry_after_s(1.0) == 6
    assert long.retry_after_s(3.0) == 13


def test_and_what_has_lasted_for_long_is_expected_to_last_as_long_again_up_to_a_bound() -> None:
    late = pressed([0.0] * 10, [1.5] * 10)
    assert 18 <= late.retry_after_s(20.0) <= 20
    assert late.retry_after_s(500.0) == MAX_RETRY_S


def test_a_loop_that_was_very_late_takes_longer_to_recover() -> None:
    assert pressed([0.2] * 60).retry_after_s(3.0) < pressed([2.0] * 60).retry_after_s(3.0)
