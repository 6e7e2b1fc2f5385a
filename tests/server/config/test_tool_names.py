"""Tools of one name: refused when the server starts, and when its configuration is read again."""

from contextlib import AsyncExitStack

import pytest

from server import Agent, VoiceServer
from server.domain.errors import ConfigError
from server.reloading import Reloading
from stages.testing.fakes import ScriptedVoice

TOLD = r"given twice: opening_hours; the model brings clock, .*opening_hours.* itself"


async def opening_hours(day: str) -> str:
    """When the shop is open."""
    return "nine to five"


async def delivery_days(town: str) -> str:
    """How many days a delivery takes."""
    return "two"


VOICE = ScriptedVoice()


def demo_with(tool: object) -> VoiceServer:
    return VoiceServer(
        stt="scripted", llm="demo", tts=VOICE, vad="webrtc", end_of_turn="none",
        agents=[Agent(tools=[tool])],
    )  # fmt: skip


async def test_a_tool_with_the_name_of_one_that_the_model_brings_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=TOLD):
        async with demo_with(opening_hours).listening(port=0):
            raise AssertionError


async def test_and_a_server_that_is_told_so_later_stays_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncExitStack() as loaded, demo_with(delivery_days).listening(port=0) as server:
        assert not await Reloading(server, demo_with(opening_hours).configure, loaded).reload()
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 1
    assert told[0].startswith("the configuration stays as it was: tools must have names of their own")
