"""When calls begin, how the knee is found, and when the generator is not to be trusted."""

import pytest

from server.client.load.calls.arrivals import Arrivals, ArrivalsError, choose
from server.client.load.calls.audit import Audit, AuditLimits, Lateness
from server.client.load.default_mix import DEFAULT_MIX
from server.client.load.figures.search import Search


def test_constant_arrivals_are_evenly_spread() -> None:
    assert Arrivals.read("constant:2/s").times_s(3, seed=1) == [0.5, 1.0, 1.5, 2.0, 2.5]


def test_poisson_arrivals_have_their_rate_and_their_seed() -> None:
    poisson = Arrivals.read("poisson:10")
    times = poisson.times_s(100, seed=1)
    assert 900 < len(times) < 1100
    assert times == poisson.times_s(100, seed=1) != poisson.times_s(100, seed=2)


@pytest.mark.parametrize(
    ("written", "count"), [("ramp:0-10/s", 500), ("ramp:10-0/s", 500), ("ramp:5-5/s", 500)]
)
def test_a_ramp_has_the_calls_of_its_average(written: str, count: int) -> None:
    times = Arrivals.read(written).times_s(100, seed=1)
    assert len(times) == pytest.approx(count, abs=1)
    assert list(times) == sorted(times)


def test_a_burst_has_all_its_calls_at_once_and_again_and_again() -> None:
    assert Arrivals.read("burst:3/2s").times_s(5, seed=1) == [0.0] * 3 + [2.0] * 3 + [4.0] * 3


@pytest.mark.parametrize(
    "written",
    [
        "burst:0/1s",
        "burst:2/0s",
        "burst:3",
        "often",
        "ramp:3",
        "constant:0",
        "poisson:-1",
        "constant:1-2",
        "constant:9999",
    ],
)
def test_arrivals_that_are_none_are_refused(written: str) -> None:
    with pytest.raises(ArrivalsError, match="--arrivals"):
        Arrivals.read(written)


def test_scenarios_are_chosen_by_weight_and_seed() -> None:
    names = [choose(DEFAULT_MIX, number, 1).name for number in range(1100)]
    assert names == [choose(DEFAULT_MIX, number, 1).name for number in range(1100)]
    assert names.count("question") == pytest.approx(500, abs=70)
    assert 0 < names.count("noise") < 150


@pytest.mark.parametrize("knee", [1, 2, 3, 7, 20, 33, 64, 99])
def test_the_search_finds_the_knee(knee: int) -> None:
    search = Search(most=1000)
    while (callers := search.next()) is not None:
        search.took(callers, ["v2v_p95<1000"] if callers > knee else [])
    assert search.broke is not None
    assert search.held <= knee < search.broke.callers
    assert search.broke.callers - search.held <= max(1, 0.1 * search.held)
    assert len(search.steps) <= 14
    assert "v2v_p95<1000" in str(search)


def test_a_search_that_breaks_nothing_is_a_floor() -> None:
    search = Search(first=3, most=20)
    while (callers := search.next()) is not None:
        search.took(callers, [])
    assert (search.held, search.is_floor) == (20, True)
    assert str(search).startswith("at least 20")


def test_a_search_ends_when_the_generator_cannot_go_on() -> None:
    search = Search(first=8)
    search.took(8, [])
    search.took(16, ["gaps=0"], is_valid=False)
    assert (search.next(), search.held, search.is_floor) == (None, 8, True)


def test_a_search_goes_on_past_loads_with_too_few_turns_to_say() -> None:
    search = Search(most=100)
    while (callers := search.next()) is not None:
        is_told = callers >= 4
        search.took(callers, ["v2v_p95<1000"] if callers > 9 or not is_told else [], is_told=is_told)
    assert search.held == 9
    assert [step.callers for step in search.steps] == [1, 2, 4, 8, 16, 12, 10, 9]


def test_a_search_that_is_never_told_anything_says_so() -> None:
    search = Search(most=3)
    while (callers := search.next()) is not None:
        search.took(callers, ["v2v_p95<1000"], is_told=False)
    assert (search.held, len(search.steps)) == (0, 3)
    assert str(search) == "unknown: too few turns to say, with up to 3 callers; --duration gives more"


def test_a_search_whose_first_load_was_late_says_so() -> None:
    search = Search()
    search.took(1, [], is_valid=False)
    assert str(search) == "unknown: with 1 caller the generator itself was late"


def test_a_search_that_never_holds_has_no_knee() -> None:
    search = Search(first=4)
    while (callers := search.next()) is not None:
        search.took(callers, ["gaps=0"])
    assert search.held == 0
    assert [step.callers for step in search.steps] == [4, 2, 1]


def test_lateness_is_counted_in_steps() -> None:
    lateness = Lateness()
    for ms in range(1, 101):
        lateness.add(ms / 1000)
    lateness.add(-1.0)
    assert (lateness.n, lateness.most_ms) == (101, 100.0)
    assert lateness.percentile(50) == pytest.approx(50, abs=1.1)
    assert Lateness().percentile(99) == 0


GOOD = {
    "frames": 1000,
    "send_late_p50_ms": 0.2,
    "send_late_p99_ms": 4.0,
    "send_late_max_ms": 30.0,
    "loop_lag_p50_ms": 0.2,
    "loop_lag_p99_ms": 5.0,
    "loop_lag_max_ms": 30.0,
    "cpu": 0.4,
    "realtime_ratio": 1.0,
}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("send_late_p99_ms", 25.0, "sent late"),
        ("loop_lag_p99_ms", 80.0, "lagged"),
        ("loop_lag_max_ms", 30_000.0, "stood still"),
        ("cpu", 0.97, "97%"),
        ("realtime_ratio", 0.5, "50.0%"),
    ],
)
def test_a_generator_that_does_not_keep_up_makes_the_run_invalid(name: str, value: float, said: str) -> None:
    assert Audit(**GOOD).faults(AuditLimits()) == ()  # type: ignore[arg-type]
    (fault,) = Audit(**{**GOOD, name: value}).faults(AuditLimits())  # type: ignore[arg-type]
    assert said in fault


def test_the_limits_go_along_with_that_of_the_lateness() -> None:
    wide = AuditLimits().scaled(200.0)
    bad = {
        "send_late_p99_ms": 150.0,
        "loop_lag_p99_ms": 400.0,
        "loop_lag_max_ms": 9_000.0,
        "realtime_ratio": 0.85,
    }
    assert Audit(**{**GOOD, **bad}).faults(wide) == ()  # type: ignore[arg-type]
    assert len(Audit(**{**GOOD, **bad}).faults(AuditLimits())) == 4  # type: ignore[arg-type]
