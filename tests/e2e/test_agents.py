"""Agents with voices of their own, and a guard of several rules, in a server over a real socket."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from server import Agent, GuardRule, Route, VoiceServer
from server.client.client import RealtimeClient
from stages.testing.fakes import EchoModel, ScriptedRecogniser, ScriptedVoice
from tests.support.live_server import ask
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.e2e

SPOKEN = "response.output_audio_transcript.done"


@asynccontextmanager
async def talking(voice: ScriptedVoice, query: str = "", **parts: Any) -> AsyncIterator[RealtimeClient]:
    app = VoiceServer(
        stt=ScriptedRecogniser(), llm=EchoModel(), tts=voice, vad="webrtc", end_of_turn="none", **parts
    )
    async with app.listening(port=0) as server, RealtimeClient(server.url + query) as client:
        yield client


async def said(client: RealtimeClient, text: str) -> None:
    await ask(client, text)
    await client.receive_until("response.done", timeout_s=PATIENCE_S)


AGENTS = (Agent(name="sales", voice="low"), Agent(name="support", voice="high"), Agent(name="chief"))


async def test_each_agent_speaks_with_its_voice_and_a_route_may_name_another() -> None:
    voice = ScriptedVoice()
    routes = (
        Route(agent="sales", default=True),
        Route(agent="support", keywords=("broken",)),
        Route(agent="chief", keywords=("boss",), voice="high"),
    )
    async with talking(voice, agents=AGENTS, routes=routes) as client:
        for text in ("Hello.", "It is broken.", "Where is the boss?"):
            await said(client, text)
        await client.send(
            "session.update", session={"type": "realtime", "audio": {"output": {"voice": "low"}}}
        )
        await said(client, "It is broken.")
    asked = {request.text: request.voice for request in voice.requests if "You said" in request.text}
    assert asked["You said: Hello."] == "low"
    assert asked["You said: Where is the boss?"] == "high"
    broken = [request.voice for request in voice.requests if request.text == "You said: It is broken."]
    assert broken == ["high", "low"], "the client's choice goes before the agent's"


async def test_a_client_names_the_agent_that_answers_until_another_is_asked_for() -> None:
    voice = ScriptedVoice()
    routes = (
        Route(agent="sales", keywords=("price",), default=True),
        Route(agent="support", keywords=("broken",), sticky=False),
    )
    async with talking(voice, "?model=support", agents=AGENTS[:2], routes=routes) as client:
        for text in ("Hello.", "What is the price?"):
            await said(client, text)
    asked = {request.text: request.voice for request in voice.requests if "You said" in request.text}
    assert asked == {"You said: Hello.": "high", "You said: What is the price?": "low"}


async def test_rules_of_a_guard_each_have_their_own_way(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    rules = (
        GuardRule(name="weapons", words=("rifle",), refusal="We do not sell weapons."),
        GuardRule(name="rivals", patterns=("(?i)acme",), policy="warn"),
        GuardRule(name="cards", patterns=(r"\d{16}",)),
    )
    async with talking(ScriptedVoice(), guard=rules, guard_refusal="No.") as client:
        with caplog.at_level(logging.WARNING, "stages.guard"):
            await said(client, "Is Acme cheaper?")
            await said(client, "I want a rifle.")
            await said(client, "Mine is 1234567812345678.")
    assert client.call.texts(SPOKEN, "transcript") == [
        "You said: Is Acme cheaper?",
        "We do not sell weapons.",
        "No.",
    ]
    assert [record.getMessage() for record in caplog.records if record.name == "stages.guard"] == [
        "what was said matched the rule 'rivals', which only warns"
    ]
