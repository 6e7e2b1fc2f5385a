"""What the log says of a turn that failed: where and why, and nothing that anybody said."""

import logging

import pytest

from server.telemetry.failures import MAX_CHARS
from stageflow.core import StageContext, StageKind, StageOutput
from stages.errors import ProviderRejected
from stages.patience import failed
from tests.support.stage import Stage, play


class BrokenAgent:
    """Does nothing but fail."""

    name = "agent"
    kind = StageKind.AGENT

    def __init__(self, outcome: Exception | StageOutput) -> None:
        self._outcome = outcome

    async def execute(self, ctx: StageContext) -> StageOutput:
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


def logged(outcome: Exception | StageOutput, caplog: pytest.LogCaptureFixture, level: int) -> str:
    """What a person reads of a turn of which the agent fails so."""

    async def story(stage: Stage) -> None:
        stage.ask("my secret")
        await stage.wire.until("response.done")

    caplog.clear()
    with caplog.at_level(level, "server.response.endings"):
        play(lambda: Stage(agent=BrokenAgent(outcome)), story)
    formatter = logging.Formatter("%(levelname)s %(message)s")
    return "\n".join(formatter.format(r) for r in caplog.records if r.name == "server.response.endings")


def test_what_a_provider_complains_of_is_read_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    error = ProviderRejected("m: HTTP 401:\nno such key")
    for outcome in (error, failed(error)):
        line = logged(outcome, caplog, logging.ERROR)
        assert line == "ERROR turn 1: stage 'agent' failed: ProviderRejected: m: HTTP 401: no such key"


def test_any_other_error_is_named_with_its_place_and_quoted_at_level_debug_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    line = logged(KeyError("my secret"), caplog, logging.ERROR)
    assert line.startswith("ERROR turn 1: stage 'agent' failed: KeyError at test_failures.py:")
    assert "my secret" not in line
    assert "my secret" not in logged(StageOutput.fail("my secret"), caplog, logging.ERROR)
    assert "KeyError: 'my secret'" in logged(KeyError("my secret"), caplog, logging.DEBUG)
    assert "my secret" in logged(StageOutput.fail("my secret"), caplog, logging.DEBUG)


def test_a_page_full_of_error_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    line = logged(ProviderRejected("<html>" * 1000), caplog, logging.ERROR)
    assert len(line.partition(": ")[2]) == MAX_CHARS
