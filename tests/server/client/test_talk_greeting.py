"""`talk --text` with a server that speaks by itself first."""

import anyio

from server import Agent, VoiceServer
from stages.testing.fakes import EchoModel, ScriptedVoice
from tests.server.client.test_cli_talk import TALK


async def test_a_text_is_typed_again_when_the_greeting_is_over() -> None:
    server = VoiceServer(
        stt="scripted", llm=EchoModel, tts=ScriptedVoice(), vad="webrtc", end_of_turn="none",
        agents=[Agent(greeting="Hello.")],
    )  # fmt: skip
    async with server.listening(port=0) as listening:
        done = await anyio.run_process([*TALK, "--url", listening.url, "--text", "good morning"], check=False)
    said = done.stdout.decode()
    assert done.returncode == 0, said
    assert said.splitlines()[:3] == [
        "  you: good morning",
        "agent: Hello.",
        "agent: You said: good morning",
    ]
    assert "the answer, since the text was sent:" in said
    assert "error" not in said
