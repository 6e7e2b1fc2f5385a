"""The checks of a stage: the rules that `stageflow.testing.check_stage` has, and what shows only among many sessions.

A stage is shared by all sessions of a server, so what it keeps of one run must not show in another. What it tells and
shows goes to clients as JSON, and what it is given may be any text of any length.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio

from stageflow.core import AnyStage, StageOutput
from stageflow.errors import StageflowError
from stageflow.testing import CollectingEventSink, check_stage, create_test_snapshot, run_stage
from stages.errors import StagesError
from stages.testing.kit import Check

ODD = (
    "",
    " \n\t",
    "\N{WAVING HAND SIGN}\N{ZERO WIDTH JOINER}!",
    "\u4f60\u597d",
    "\u0645\u0631\u062d\u0628\u0627",
    "a\0b",
    "...",
)
"""No words, no letters, other scripts, and what no keyboard has."""
HUGE_CHARS = 200_000
LATE_S = 0.05
"""What a stage still does so long after its end, it does for nobody."""
_ONE, _OTHER = "marked-alpha", "marked-omega"


def stage_checks(situation: Mapping[str, Any], secrets: tuple[str, ...] = ()) -> tuple[Check[AnyStage], ...]:
    """All checks of a stage that finds this (`stageflow.testing.Situation`); what it gives may hold no secret."""
    checks = _Checks(situation, secrets)
    return (
        Check("rules", "it ends by itself, says what is missing, ends at once when cancelled", checks.rules),
        Check("shows", "events and artifacts that can be told as JSON, and no secret", checks.shows),
        Check("again", "nothing of one run in the next", checks.again),
        Check("at_once", "two runs at once, which do not mix", checks.at_once),
        Check("odd", "no words, any script: an output, or an error of the framework's", checks.odd),
        Check("huge", f"{HUGE_CHARS} characters: it comes to its end", checks.huge, may_hold=True),
        Check("late", "nothing told and nothing sent after its end", checks.late),
    )


@dataclass(frozen=True)
class _Checks:
    """What each check does, in one situation."""

    situation: Mapping[str, Any]
    secrets: tuple[str, ...]

    async def rules(self, stage: AnyStage) -> None:
        await check_stage(stage, **self.situation)

    async def shows(self, stage: AnyStage) -> None:
        told = await _run(stage, self.situation)
        _assert_plain(told)
        assert not any(secret in told.text for secret in self.secrets), "what it gives has a secret in it"

    async def again(self, stage: AnyStage) -> None:
        await _run(stage, _marked(self.situation, _ONE))
        told = await _run(stage, _marked(self.situation, _OTHER))
        assert _ONE not in told.text, (
            "what it gives has text of the run before in it, which may be another session's"
        )

    async def at_once(self, stage: AnyStage) -> None:
        found = dict[str, _Told]()

        async def run(mark: str) -> None:
            found[mark] = await _run(stage, _marked(self.situation, mark))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, _ONE)
            tasks.start_soon(run, _OTHER)
        mixed = _OTHER in found[_ONE].text or _ONE in found[_OTHER].text
        assert not mixed, "two runs at once mix: what one gives has text of the other in it"

    async def odd(self, stage: AnyStage) -> None:
        for text in ODD:
            with _only_legal(f"with the text {text!r}"):
                await _run(stage, _altered(self.situation, text))

    async def huge(self, stage: AnyStage) -> None:
        with _only_legal(f"with {HUGE_CHARS} characters"):
            await _run(stage, _altered(self.situation, ("word " * (HUGE_CHARS // 5))))

    async def late(self, stage: AnyStage) -> None:
        told = await _run(stage, self.situation)
        before = len(told.sink.events), len(told.sent)
        await anyio.sleep(LATE_S)
        assert before == (len(told.sink.events), len(told.sent)), "it tells or sends something after its end"


class _Told:
    """All that a stage has given in a run."""

    def __init__(self) -> None:
        self.sink = CollectingEventSink()
        self.sent: list[Any] = []
        self.output = StageOutput.ok()

    @property
    def shown(self) -> list[tuple[str, Any]]:
        """What clients are told: by type, its data."""
        artifacts = [(f"artifact {one.type!r}", one.payload) for one in self.output.artifacts]
        return [*((f"event {one.type!r}", one.data) for one in self.sink.events), *artifacts]

    @property
    def text(self) -> str:
        """All of it, to be searched."""
        return repr((dict(self.output.data), self.output.error, self.sent, self.shown))


async def _run(stage: AnyStage, situation: Mapping[str, Any]) -> _Told:
    told = _Told()
    given: Any = {**situation, "event_sink": told.sink, "sent": told.sent}
    told.output = await run_stage(stage, **given)
    return told


def _assert_plain(told: _Told) -> None:
    for what, data in told.shown:
        try:
            json.dumps(_plain(data))
        except (TypeError, ValueError) as error:
            raise AssertionError(f"{what} cannot be told to a client: {error}") from error


def _plain(data: Any) -> Any:
    """The same in the types that JSON has; read-only ones are no fault of the stage's."""
    if isinstance(data, Mapping):
        return {key: _plain(value) for key, value in data.items()}
    return [_plain(value) for value in data] if isinstance(data, tuple | list) else data


@contextmanager
def _only_legal(when: str) -> Iterator[None]:
    try:
        yield
    except (StageflowError, StagesError):
        return
    except Exception as error:
        raise AssertionError(f"{when}, it raises {type(error).__name__}: {error}") from error


def _altered(situation: Mapping[str, Any], text: str) -> dict[str, Any]:
    """The situation with this in the place of all its texts."""
    return _changed(situation, lambda _: text)


def _marked(situation: Mapping[str, Any], mark: str) -> dict[str, Any]:
    """The situation with a mark in all its texts."""
    return _changed(situation, lambda text: f"{text} {mark}")


def _changed(situation: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    snapshot = situation.get("snapshot") or create_test_snapshot()
    inputs = {name: _outputs(value, change) for name, value in (situation.get("inputs") or {}).items()}
    streams = {
        name: [change(item) if isinstance(item, str) else item for item in items]
        for name, items in (situation.get("streams") or {}).items()
    }
    text = change(snapshot.input_text or "")
    return {**situation, "snapshot": replace(snapshot, input_text=text), "inputs": inputs, "streams": streams}


def _outputs(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, StageOutput):
        return replace(value, data=_outputs(value.data, change))
    return {key: change(one) if isinstance(one, str) else one for key, one in value.items()}
