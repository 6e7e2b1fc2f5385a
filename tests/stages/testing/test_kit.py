"""The kit finds every seeded fault in adapters that are right otherwise, and none in those that are right."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from audio.formats import SPEECH_HZ
from stageflow.tools import Tool
from stages.providers.built_in import Kind
from stages.testing.kit import Terms, fault_of, opened
from stages.testing.part_suites import StageContract, ToolContract
from stages.testing.question import question
from stages.testing.recogniser_checks import KnownSpeech
from stages.testing.suites import checks_for, unreachable_check
from tests.stages.testing.listening_mutants import LISTENING_FAULTS, Detector, Ends
from tests.stages.testing.mutants import DOWN, FAULTS, KEY, SAID, Faulty, Model, Recogniser, Voice
from tests.stages.testing.stage_mutants import FAULTS as STAGE_FAULTS
from tests.stages.testing.stage_mutants import SITUATION
from tests.stages.testing.stage_mutants import Faulty as FaultyStage
from tests.stages.testing.tool_mutants import CALLS, Shop
from tests.stages.testing.tool_mutants import FAULTS as TOOL_FAULTS

KINDS: dict[type[Faulty], Kind] = {
    Recogniser: "stt",
    Model: "llm",
    Voice: "tts",
    Detector: "vad",
    Ends: "end_of_turn",
}
HEARD = {"vad": KnownSpeech(question(SPEECH_HZ), ""), "end_of_turn": KnownSpeech(question(SPEECH_HZ), "")}
"""By kind, what is said to those that judge by the sound."""
TERMS = Terms(deadline_s=5.0, secrets=(KEY,))
MUTANTS = [(adapter, fault) for adapter, faults in (FAULTS | LISTENING_FAULTS).items() for fault in faults]


def named(value: Any) -> str:
    return value if isinstance(value, str) else str(value.__name__)


async def faults_of(adapter: type[Faulty], fault: str = "") -> dict[str, str]:
    """The first check that finds something wrong, and what."""

    def opens(*, is_down: bool = False) -> Any:
        @asynccontextmanager
        async def made() -> AsyncIterator[Any]:
            async with opened(adapter(fault, is_down=is_down)) as provider:
                yield provider

        return made

    kind, found = KINDS[adapter], dict[str, str]()
    cases = [] if kind in HEARD else [(opens(is_down=True), unreachable_check(kind, SAID))]
    cases += [(opens(), check) for check in checks_for(kind, adapter(), HEARD.get(kind, SAID))]
    for made, check in cases:
        if told := await fault_of(made, check, TERMS):
            found[check.name] = told
            break
    return found


@pytest.mark.parametrize("adapter", KINDS, ids=named)
def test_what_is_right_passes(adapter: type[Faulty]) -> None:
    assert anyio.run(faults_of, adapter) == {}


@pytest.mark.parametrize(("adapter", "fault"), MUTANTS, ids=named)
def test_every_mutant_is_found(adapter: type[Faulty], fault: str) -> None:
    found = anyio.run(faults_of, adapter, fault)
    assert found, f"a {adapter.__name__} that {fault} passes"
    if fault in DOWN:
        assert [*found] == ["unreachable"]


class OfStage(StageContract):
    """The contract of the stage with a fault."""

    situation = SITUATION
    secrets = (KEY,)
    deadline_s = 3.0

    def __init__(self, fault: str = "") -> None:
        self.fault = fault

    def stage(self) -> FaultyStage:
        return FaultyStage(self.fault)

    async def first_fault(self) -> str:
        for name in self.check_names():
            if fault := await self.fault_of(name):
                return f"{name}: {fault}"
        return ""


def test_a_stage_that_is_right_passes() -> None:
    assert not anyio.run(OfStage().first_fault)


@pytest.mark.parametrize("fault", STAGE_FAULTS)
def test_every_mutant_of_a_stage_is_found(fault: str) -> None:
    found = anyio.run(OfStage(fault).first_fault)
    assert found, f"a stage that {fault} passes"
    assert KEY not in found


class OfTools(ToolContract):
    """The contract of the tools with a fault."""

    calls = CALLS
    secrets = (KEY,)
    deadline_s = 10.0

    def __init__(self, fault: str = "") -> None:
        self.fault = fault

    def tools(self) -> Sequence[Tool]:
        return Shop(self.fault).tools()

    async def first_fault(self) -> str:
        for name in self.check_names():
            if fault := await self.fault_of(name):
                return f"{name}: {fault}"
        return ""


def test_tools_that_are_right_pass() -> None:
    assert not anyio.run(OfTools().first_fault)


@pytest.mark.parametrize("fault", TOOL_FAULTS)
def test_every_mutant_of_a_tool_is_found(fault: str) -> None:
    found = anyio.run(OfTools(fault).first_fault)
    assert found, f"a tool that {fault} passes"
    assert KEY not in found


def test_what_is_no_provider_is_not_held_to_the_errors_of_one() -> None:
    class Raising(OfTools):
        def tools(self) -> Sequence[Tool]:
            raise KeyError("shop")

    assert anyio.run(Raising().first_fault) == "told: it raised KeyError: 'shop'"


def test_there_are_twenty_mutants_of_each_kind() -> None:
    for faults in (*FAULTS.values(), *LISTENING_FAULTS.values(), STAGE_FAULTS, TOOL_FAULTS):
        assert len({*faults}) >= 20


def test_a_secret_is_not_shown_by_the_kit_either() -> None:
    for fault in ("logs its key", "shows its key in an error"):
        found = anyio.run(faults_of, Model, fault)
        assert found
        assert KEY not in "".join(found.values())
        assert "a secret is shown" in "".join(found.values())
