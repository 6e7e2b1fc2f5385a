"""What a report says in words: what became of each load, and of the whole run. Pure."""

import re

from server.client.counted import counted
from server.client.load.figures.report import Report, StepReport, VerdictReport

_FIGURE_ENDS = re.compile(r"_(?:p\d+|max|mean|n)\W")


def in_order(report: Report) -> list[StepReport]:
    """The loads, the least first: a search does not try them in that order."""
    return sorted(report.steps, key=lambda step: step.callers or 0)


def stands_out(report: Report, step: StepReport) -> bool:
    """Whether a load is to be looked at: of a search the knee, the next at which something broke, and invalid ones."""
    if report.knee is None or step.invalid:
        return True
    told = [one.callers or 0 for one in report.steps if state_of(one) == "broken"]
    return step.callers in (report.knee, min((n for n in told if n > report.knee), default=0))


def state_of(step: StepReport) -> str:
    """What became of a load, in a word or three."""
    if step.invalid:
        return "invalid"
    if all(one.holds for one in step.verdicts):
        return "held"
    return "broken" if tells_what_broke(step) else "too few turns"


def verdict_said(report: Report) -> str:
    """The verdict, for people."""
    said = {
        "held": "all objectives held",
        "broken": "objectives are broken",
        "invalid": "this run is invalid",
    }[report.verdict]
    if report.knee and report.verdict == "held":
        said += f" with {'at least ' if report.knee_is_floor else ''}{counted(report.knee, 'caller')}"
    return said + (" (interrupted)" if report.interrupted else "")


def broken_said(one: VerdictReport) -> str:
    """Why an objective is broken."""
    return "there are too few turns to say" if one.value is None else f"it is {one.value:g}"


def step_said(step: StepReport) -> str:
    """What became of a load, for people, in a line."""
    why = [f"{one.objective} ({broken_said(one)})" for one in step.verdicts if not one.holds]
    said = f"{step.load}: {state_of(step)}"
    return ": ".join([said, ", ".join([*step.invalid, *why])]) if step.invalid or why else said


def tells_what_broke(step: StepReport) -> bool:
    """Whether a load broke something, or nothing; if not, all that it says is that there were too few turns."""
    broken = [one for one in step.verdicts if not one.holds]
    with_values = {name for name, one in step.latencies.items() if one.n}
    return not broken or any(
        one.value is not None or _latency_of(one.objective) not in with_values for one in broken
    )


def _latency_of(objective: str) -> str:
    """The latency that an objective such as `v2v_p95<1200` is about."""
    return _FIGURE_ENDS.split(objective)[0]
