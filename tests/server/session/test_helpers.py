"""What serves a session and fails in ways that it must not costs what it served, and nothing else."""

import base64
import logging
from typing import Any

import anyio
import pytest

from server.domain.values import SessionConfig
from server.session.tasks import contained
from server.turntaking.floor import ImpossibleEvent
from stages.testing.fake_tools import ScriptedToolServer, ScriptedToolServers
from stages.testing.fakes import Conduct, Heard
from tests.support.stage import Stage, hosting, play, speak, voiced

WRONG: Any = ValueError
"""No error that a provider may raise."""
TRANSCRIBED = SessionConfig(transcription=True)


async def ask_and_hear(stage: Stage) -> None:
    stage.ask("and now?")
    done = await stage.wire.until("response.done", stage.wire.types().count("response.done") + 1)
    assert done["response"]["status"] == "completed"


def test_a_recogniser_that_breaks_costs_the_words(caplog: pytest.LogCaptureFixture) -> None:
    async def story(stage: Stage) -> None:
        await speak(stage, 1.0)
        await stage.wire.until("conversation.item.input_audio_transcription.failed")
        await anyio.sleep(5.0)
        await ask_and_hear(stage)

    heard = Heard("hello", conduct=Conduct(fails=WRONG))
    stage = play(lambda: Stage("Hello.", heard=heard, config=TRANSCRIBED), story)
    assert stage.wire.closed == (1000, "")
    assert "the recogniser failed in a way that it must not" in caplog.text


def test_it_costs_the_words_of_a_clip() -> None:
    async def story(stage: Stage) -> None:
        audio = base64.b64encode(voiced(0.5).tobytes()).decode()
        content = [{"type": "input_audio", "audio": audio}]
        for _ in range(2):
            item = {"type": "message", "role": "user", "content": content}
            stage.wire.say("conversation.item.create", item=item)
        await stage.wire.until("conversation.item.input_audio_transcription.failed", 2)

    heard = Heard("hello", conduct=Conduct(fails=WRONG))
    stage = play(lambda: Stage("Hello.", heard=heard, config=TRANSCRIBED), story)
    assert stage.wire.closed == (1000, "")


def test_a_server_of_tools_that_breaks_costs_its_tools() -> None:
    servers = ScriptedToolServers(tools=ScriptedToolServer((), Conduct(fails=WRONG)))

    async def story(stage: Stage) -> None:
        tool = {"type": "mcp", "server_label": "shop", "server_url": "http://tools/mcp"}
        stage.wire.say("session.update", session={"type": "realtime", "tools": [tool]})
        await stage.wire.until("mcp_list_tools.failed")
        await ask_and_hear(stage)

    stage = play(lambda: Stage("Hello.", dialect=hosting, tool_servers=servers), story)
    assert stage.wire.closed == (1000, "")


@pytest.mark.parametrize("error", [ValueError, RuntimeError])
async def test_a_helper_that_fails_is_told_of_in_the_log(
    error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    async def work(what: str) -> None:
        raise error(what)

    with caplog.at_level(logging.ERROR):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(contained, "sess_1", work, "gone")
    assert [record.session for record in caplog.records] == ["sess_1"]  # type: ignore[attr-defined]


async def test_what_a_test_must_see_is_raised() -> None:
    async def work() -> None:
        raise ImpossibleEvent("it happened")

    with pytest.raises(ImpossibleEvent):
        await contained("sess_1", work)
