"""The plug-in makes one test of each check of a contract; a fault fails its own."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

TESTS = """
from contextlib import asynccontextmanager

from stageflow import StageOutput, StageKind
from stages.agent_profile import AgentProfile
from stages.pipeline import VoicePipelineConfig, standard_pipeline
from stages.testing import ModelContract, PipelineContract, StageContract, VoiceContract
from stages.testing.fakes import Conduct, EchoModel, ScriptedVoice


class TestEcho(ModelContract):
    @asynccontextmanager
    async def provider(self):
        yield EchoModel()


class TestStubborn(VoiceContract):
    def provider(self):
        return ScriptedVoice(Conduct(delay_s=0.03, stubborn_s=0.1))


class Upper:
    name = "upper"
    kind = StageKind.TRANSFORM

    async def execute(self, ctx):
        return StageOutput.ok(text=(ctx.snapshot.input_text or "").upper())


class TestUpper(StageContract):
    def stage(self):
        return Upper()


class TestStandard(PipelineContract):
    def pipeline(self):
        return standard_pipeline(VoicePipelineConfig((AgentProfile("assistant"),)))


class TestWithoutVoice(TestStandard):
    def pipeline(self):
        return super().pipeline().without("tts")
"""


def test_pytest_finds_it() -> None:
    names = [point.value for point in entry_points(group="pytest11")]
    assert "stages.testing.pytest_plugin" in names, (
        "run scripts/setup again: the project has new entry points"
    )


def test_one_test_a_check(tmp_path: Path) -> None:
    (tmp_path / "test_acme.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "test_acme.py"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=250)
    for name in ("answers", "cancel", "tools", "unreachable"):
        assert f"PASSED test_acme.py::TestEcho::test_contract[{name}]" in ran.stdout, ran.stdout
    assert "PASSED test_acme.py::TestUpper::test_contract[rules]" in ran.stdout
    assert "PASSED test_acme.py::TestStandard::test_contract[can_be_served]" in ran.stdout
    assert "FAILED test_acme.py::TestWithoutVoice::test_contract[can_be_served]" in ran.stdout
    assert "FAILED test_acme.py::TestStubborn::test_contract[cancel]" in ran.stdout
    assert "went on after it was cancelled" in ran.stdout
    assert "PASSED test_acme.py::TestStubborn::test_contract[nothing]" in ran.stdout
