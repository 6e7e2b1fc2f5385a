"""A server whose first voice is broken: the second is heard, and `/metrics` tells who took over."""

import urllib.request

import anyio.to_thread

from server import VoiceServer
from server.client.client import RealtimeClient
from stages.errors import ProviderError
from stages.testing.fakes import Conduct, EchoModel, ScriptedVoice
from tests.support.live_server import ask
from tests.support.patience import PATIENCE_S


class Broken(ScriptedVoice):
    """Breaks off after two words of each text."""

    def __init__(self) -> None:
        super().__init__(Conduct(fails=ProviderError, after=2), rate_hz=16_000)

    @classmethod
    def from_settings(cls, settings: object) -> "Broken":
        """The same, whatever is set."""
        return cls()


async def test_the_second_voice_speaks_on_where_the_first_breaks_off() -> None:
    server = VoiceServer(
        stt="scripted", llm=EchoModel, tts=f"{__name__}:Broken,scripted", vad="webrtc", end_of_turn="none"
    )
    async with server.listening(port=0) as listening, RealtimeClient(listening.url) as client:
        await ask(client, "one two three four")
        done = await client.receive_until("response.done")
        assert done.event["response"]["status"] == "completed"
        assert client.call.texts("response.output_audio_transcript.done", "transcript") == [
            "You said: one two three four"
        ]
        page = await anyio.to_thread.run_sync(_metrics, listening.port)
    assert (
        f'stageflow_voice_provider_changes_total{{failed="{__name__}:Broken",kind="tts",took_over="scripted"}}'
        in page
    )
    assert 'stageflow_voice_provider_breaker{kind="tts",provider="scripted",state="closed"} 1.0' in page


def _metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as page:
        return str(page.read().decode())
