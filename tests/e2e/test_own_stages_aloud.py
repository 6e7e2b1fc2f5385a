"""All six stages of Building Stages together, with real speech in and out."""

from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from server import VoiceServer
from server.client.client import RealtimeClient
from stageflow import Pipeline
from stages.testing.wer import word_error_rate
from tests.e2e.test_conversation import ANSWER_WER, recognised, say
from tests.e2e.test_own_stages import (
    ChatAgentStage,
    Client,
    Database,
    InputGuardStage,
    PersistStage,
    ProfileEnrichStage,
    Profiles,
    Reply,
    RouterStage,
    TextToUpperStage,
    Tools,
)
from tests.support.patience import PATIENCE_S

pytestmark = [pytest.mark.e2e, pytest.mark.models]


@dataclass
class Repeats(Client):
    """Answers with what it was asked."""

    said: list[str] = field(default_factory=list)

    async def chat(self, messages: list[Any]) -> Reply:
        self.said.append(messages[-1]["content"])
        return Reply("You would like me to go forward. I am on my way.")


async def test_the_six_stages_together_aloud() -> None:
    client, tools, db = Repeats(), Tools(), Database()

    def hook(pipeline: Pipeline) -> Pipeline:
        return (
            pipeline.insert("text_to_upper", TextToUpperStage, between=("stt", "agent"))
            .insert("profile_enrich", ProfileEnrichStage(Profiles()), between=("stt", "text_to_upper"))
            .replace("router", RouterStage())
            .with_stage("input_guard", InputGuardStage, dependencies=("stt",))
            .replace("agent", ChatAgentStage(client, tools))
            .with_stage("persist", PersistStage(db), dependencies=("agent",))
        )

    async with VoiceServer(pipeline=hook).listening(port=0) as listening:
        async with RealtimeClient(listening.url) as caller:
            await say(caller, "ps_goforward.wav")
            done = await caller.receive_until("response.done", timeout_s=PATIENCE_S)
            call = caller.call
            with anyio.fail_after(PATIENCE_S):
                await db.has_saved.wait()
        assert done.event["response"]["status"] == "completed"
        text = call.texts("response.output_audio_transcript.done", "transcript")[0]
        assert text == "You would like me to go forward. I am on my way."
        assert word_error_rate(text, await recognised(listening.providers, call.samples())) <= ANSWER_WER
    assert client.said[-1].startswith("GO FORWARD")
    assert tools.ran == ["look"] * len(client.said)
    assert db.saved[-1][1] == text
