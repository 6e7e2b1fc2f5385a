"""Contracts of what is no provider, as test classes: stages, tools and whole pipelines. See `stages.testing.suites`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio

from stageflow.pipeline import Pipeline
from stageflow.tools import Tool, ToolFunction
from stages.contract import check_pipeline
from stages.testing.kit import Terms, fault_of
from stages.testing.stage_checks import stage_checks
from stages.testing.tool_checks import made_tool, tool_checks


class StageContract:
    """The contract of a stage. A subclass has `stage`, and in `situation` what it finds
    (`stageflow.testing.Situation`)."""

    situation: Mapping[str, Any] = {}
    deadline_s: float = 30.0
    secrets: Sequence[str] = ()
    """Values that may show nowhere: keys that `stage` is made with."""

    def stage(self) -> Any:
        """A fresh stage."""
        raise NotImplementedError(f"{type(self).__name__} has no `stage` that makes what is to be tested")

    def check_names(self) -> list[str]:
        """Those of `stage_checks`."""
        return [check.name for check in stage_checks({})]

    def test_contract(self, check: str) -> None:
        """One test for each check."""
        fault = anyio.run(self.fault_of, check)
        assert not fault, fault

    async def fault_of(self, name: str) -> str:
        """What is wrong with the stage in the check of this name; empty if nothing is."""
        checks = stage_checks(self.situation, tuple(self.secrets))
        check = next(check for check in checks if check.name == name)
        return await fault_of(self._made, check, Terms(self.deadline_s, self.secrets, is_provider=False))

    @asynccontextmanager
    async def _made(self) -> AsyncIterator[Any]:
        yield self.stage()


class ToolContract:
    """The contract of tools. A subclass has `tools`, and in `calls` by the tool's name arguments with which a call goes
    well."""

    calls: Mapping[str, Mapping[str, object]] = {}
    deadline_s: float = 30.0
    secrets: Sequence[str] = ()
    """Values that may show nowhere: keys that the tools use."""

    def tools(self) -> Sequence[Tool | ToolFunction]:
        """The tools, fresh, or async functions that are to be some."""
        raise NotImplementedError(f"{type(self).__name__} has no `tools` that makes what is to be tested")

    def check_names(self) -> list[str]:
        """Those of `tool_checks`."""
        return [check.name for check in tool_checks({})]

    def test_contract(self, check: str) -> None:
        """One test for each check."""
        fault = anyio.run(self.fault_of, check)
        assert not fault, fault

    async def fault_of(self, name: str) -> str:
        """What is wrong with the tools in the check of this name; empty if nothing is."""
        check = next(check for check in tool_checks(self.calls, self.secrets) if check.name == name)
        return await fault_of(self._made, check, Terms(self.deadline_s, self.secrets, is_provider=False))

    @asynccontextmanager
    async def _made(self) -> AsyncIterator[Sequence[Tool]]:
        yield [made_tool(one) for one in self.tools()]


class PipelineContract:
    """The contract of a pipeline for the server: what `pipeline` gives must have all that a turn needs."""

    def pipeline(self) -> Pipeline:
        """An unbuilt pipeline, such as a hook makes of `stages.pipeline.standard_pipeline`."""
        raise NotImplementedError(f"{type(self).__name__} has no `pipeline` that is to be tested")

    def check_names(self) -> list[str]:
        """There is one, which finds all that is wrong."""
        return ["can_be_served"]

    def test_contract(self, check: str) -> None:
        """Names, streams and edges are those that the server needs."""
        faults = check_pipeline(self.pipeline())
        assert not faults, "\n".join(faults)
