"""The examples of what one may bring along run as they are written, on a real socket."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from server.cli.targets import find_server
from server.client.client import WIRE_HZ, RealtimeClient
from server.voice_server import ListeningServer, VoiceServer
from stageflow.tools import ToolCall
from stages.testing.contracts import check_synthesiser
from stages.testing.fakes import Said, ScriptedModel
from tests.support.live_server import ask
from tests.support.patience import PATIENCE_S, UNHURRIED
from tests.support.snippets import ROOT, snippets
from tests.support.stage import voiced

pytestmark = pytest.mark.e2e

EXAMPLES = ROOT / "docs" / "examples"
CHEAP: dict[str, Any] = {
    "stt": "scripted",
    "llm": "echo",
    "tts": "scripted",
    "vad": "webrtc",
    "end_of_turn": "none",
}
SPOKEN, TRANSCRIBED = (
    "response.output_audio_transcript.done",
    "conversation.item.input_audio_transcription.completed",
)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(("STAGEFLOW_VOICE_", "OPENAI_")) and name not in UNHURRIED:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@asynccontextmanager
async def listening(name: str, **providers: Any) -> AsyncIterator[ListeningServer]:
    app = await anyio.to_thread.run_sync(find_server, str(EXAMPLES / f"{name}.py"))
    async with app.replace(**providers).listening(port=0, **CHEAP) as server:
        yield server


def test_they_are_short() -> None:
    """A part of one's own is 40 lines at most."""
    names = ("own_recogniser", "own_voice", "own_agent", "own_tools", "own_router", "two_agents")
    for path in (EXAMPLES / f"{name}.py" for name in names):
        assert path.read_text().count("\n") <= 40, path.name


async def test_a_recogniser_of_one_s_own() -> None:
    async with listening("own_recogniser") as server, RealtimeClient(server.url) as client:
        await client.show_transcripts()
        await client.speak(voiced(2.0), WIRE_HZ)
        await client.stay_silent(2.0)
        await client.receive_until(TRANSCRIBED, timeout_s=PATIENCE_S)
        (heard,) = client.call.texts(TRANSCRIBED, "transcript")
        assert heard.startswith("I spoke for")


async def test_a_voice_of_one_s_own() -> None:
    async with listening("own_voice") as server, RealtimeClient(server.url) as client:
        await ask(client, "hello")
        await client.receive_until("response.done")
        assert len(client.call.samples()) > 0.4 * WIRE_HZ
        await check_synthesiser(server.providers.voice)


async def test_an_agent_of_one_s_own() -> None:
    async with listening("own_agent") as server, RealtimeClient(server.url) as client:
        await client.receive_until("response.done")
        await ask(client, "one two three")
        await client.receive_until("response.done")
        said = client.call.texts(SPOKEN, "transcript")
        assert said == ["Say something, and I count the words.", "That was 3 words."]


async def answered(server: ListeningServer, model: ScriptedModel, *texts: str, greets: bool = False) -> None:
    async with RealtimeClient(server.url) as client:
        if greets:
            await client.receive_until("response.done")
        for text in texts:
            await ask(client, text, modality="text")
            await client.receive_until("response.done")
    assert model.requests


async def test_tools_of_one_s_own() -> None:
    model = ScriptedModel(Said(calls=(ToolCall("1", "in_stock", {"what": "shoes"}),)), "There are seven.")
    async with listening("own_tools", llm=model) as server:
        await answered(server, model, "are there shoes?")
    assert [tool.name for tool in model.requests[0].tools] == ["in_stock", "order"]
    assert model.requests[1].messages[-1].content == "7 shoes"


async def test_two_agents() -> None:
    model = ScriptedModel("Yes.")
    async with listening("two_agents", llm=model) as server:
        await answered(server, model, "what is the price?", "it is broken", greets=True)
    told = [[message.content for message in request.messages] for request in model.requests]
    assert "You sell shoes." in told[0]
    assert "You help where something is broken." in told[-1]
    assert [tool.name for tool in model.requests[-1].tools] == ["open_ticket"]


@pytest.mark.models
async def test_a_router_of_one_s_own() -> None:
    model = ScriptedModel("Yes.")
    said = "Tell me a joke.", "How much are these boots?", "The heel has come off.", "Tell me a joke."
    async with listening("own_router", llm=model) as server:
        await answered(server, model, *said)
    told = [[message.content for message in request.messages] for request in model.requests]
    assert ["You mend shoes." in messages for messages in told] == [False, False, True, True]


async def test_the_stage_and_the_tool_of_the_page_about_one_s_own() -> None:
    page = snippets("docs/extend.md")
    named = page["A function"].run({}) | page["The pipeline"].run({})
    model = ScriptedModel(Said(calls=(ToolCall("1", "in_stock", {"what": "shoes"}),)), "There are seven!")
    app = VoiceServer(llm=model, tools=[named["in_stock"]], pipeline=named["edit"])
    async with (
        app.listening(port=0, **{kind: use for kind, use in CHEAP.items() if kind != "llm"}) as server,
        RealtimeClient(server.url) as client,
    ):
        await ask(client, "are there shoes?")
        await client.receive_until("response.done")
        assert client.call.texts(SPOKEN, "transcript") == ["There are seven."]
    assert model.requests[1].messages[-1].content == "7"
