"""Tools of one name: refused when the server starts, and when its configuration is read again."""

from contextlib import AsyncExitStack, closing
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from server import Agent, VoiceServer
from server.domain.errors import ConfigError
from server.process.reloading import Reloading
from stageflow.tools import Tool, ToolRegistry
from stages.demo.agent import DemoAgent
from stages.demo.booking import TableBook
from stages.demo.skills import build_skills
from stages.ports import Remind
from stages.testing.fakes import ScriptedModel, ScriptedVoice

TAKEN = "the language model brings a tool 'opening_hours' itself; give yours another name"
TOLD = r"given twice: opening_hours; the model brings opening_hours itself"


async def opening_hours(day: str) -> str:
    """When the shop is open."""
    return "nine to five"


async def delivery_days(town: str) -> str:
    """How many days a delivery takes."""
    return "two"


async def _hours(day: str) -> str:
    """When our shop is open."""
    return "always"


hours_of_ours = replace(Tool.of(_hours), name="opening_hours")
VOICE = ScriptedVoice()


def demo_with(tool: object, **more: Any) -> VoiceServer:
    return VoiceServer(
        stt="scripted", llm="demo", tts=VOICE, vad="webrtc", end_of_turn="none",
        agents=[Agent(tools=[tool])], **more,
    )  # fmt: skip


@pytest.mark.parametrize("of_agent", [False, True], ids=["the server's", "an agent's"])
def test_a_tool_with_the_name_of_one_that_the_model_brings_is_a_fault_beside_the_others(
    of_agent: bool,
) -> None:
    tools = {"agents": [Agent(tools=[opening_hours])]} if of_agent else {"tools": [opening_hours]}
    server = VoiceServer(
        stt="scripted", llm="demo", tts="scirpted", vad="webrtc", end_of_turn="none", **tools
    )
    with pytest.raises(ConfigError) as refused:
        server.configure()
    _, voice, tool = str(refused.value).splitlines()
    assert "tts 'scirpted' is not built in" in voice
    place = "agents.assistant.tools" if of_agent else "tools.functions"
    assert tool.strip() == f"{place}: {TAKEN}"


@pytest.mark.parametrize(
    ("name", "is_there"), [("book_table", True), ("delivery_days", True), ("book_tabel", False)]
)
def test_a_tool_to_confirm_may_be_the_models_and_must_be_there(name: str, is_there: bool) -> None:
    server = demo_with(delivery_days, confirmed_tools=(name,))
    if is_there:
        server.configure()
        return
    with pytest.raises(ConfigError, match="there is no tool 'book_tabel'; did you mean 'book_table'"):
        server.configure()


def test_the_demo_names_the_tools_that_it_brings() -> None:
    with closing(TableBook()) as book:
        brought = build_skills(now=datetime.now, remind=lambda _, __: lambda: None, bookings=book)
    assert DemoAgent.session_tool_names == tuple(tool.name for tool in brought.tools)


class Brings(ScriptedModel):
    """Brings tools, and says in its class nothing of them."""

    def session_tools(self, remind: Remind, owner: str) -> ToolRegistry:
        return ToolRegistry([opening_hours])


async def test_one_that_is_known_only_when_the_model_is_there_is_refused_by_name() -> None:
    server = VoiceServer(
        stt="scripted", llm=Brings(), tts=VOICE, vad="webrtc", end_of_turn="none",
        agents=[Agent(tools=[hours_of_ours])],
    )  # fmt: skip
    with pytest.raises(ConfigError, match=TOLD):
        async with server.listening(port=0):
            raise AssertionError


async def test_and_a_server_that_is_told_so_later_stays_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncExitStack() as loaded, demo_with(delivery_days).listening(port=0) as server:
        assert not await Reloading(server, demo_with(opening_hours).configure, loaded).reload()
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 1
    assert TAKEN in told[0]
