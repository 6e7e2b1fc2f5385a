"""What a session would make on its first use is there when the server has started."""

import gc
import subprocess
import sys

import pytest

from audio import resample
from audio.formats import RATES_HZ, SPEECH_HZ
from server.client.client import RealtimeClient
from server.config.languages import PHRASES
from server.domain.errors import ConfigError
from server.first_use import make_ready
from server.voice_server import VoiceServer
from stages.testing.fakes import EchoModel, ScriptedRecogniser, ScriptedVoice
from stages.text.languages import CODES
from stages.text.rules import table
from stages.text.speakable import speakable
from tests.support.live_server import ask, live_server

WITH_NOTHING_TO_DO = """
import gc
from server.first_use import pause_collector, set_aside
pause_collector()
collected = gc.get_stats()
from server.app import App
assert gc.get_stats() == collected
set_aside()
assert gc.isenabled()
print(len(gc.get_objects()))
"""


@pytest.mark.parametrize("code", [*CODES, "und"])
def test_a_language_is_read_without_making_its_rules(code: str) -> None:
    make_ready(24_000, ["*"])
    made = table.cache_info().misses
    speakable("It costs $5.20 at 3:40 PM.", code)
    assert table.cache_info().misses == made


def test_only_languages_that_are_spoken_are_made() -> None:
    table.cache_clear()
    make_ready(24_000, ["de-AT"])
    made = table.cache_info().misses
    speakable("Es kostet 5,20 EUR.", "de")
    assert table.cache_info().misses == made
    speakable("Cuesta 5,20 EUR.", "es")
    assert table.cache_info().misses > made


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_rate_of_the_wire_is_met_without_making_weights(rate_hz: int) -> None:
    make_ready(24_000, [])
    made = resample._bank.cache_info().misses  # noqa: SLF001
    resample.Resampler(rate_hz, SPEECH_HZ)
    resample.Resampler(24_000, rate_hz)
    assert resample._bank.cache_info().misses == made  # noqa: SLF001


async def test_a_server_makes_them_before_its_port_is_open() -> None:
    table.cache_clear()
    async with live_server() as server:
        made = table.cache_info().misses
        async with RealtimeClient(server.url) as client:
            await ask(client, "it costs 5 dollars")
            await client.receive_until("response.done")
        assert made
        assert table.cache_info().misses == made


async def test_what_is_said_without_a_model_is_spoken_once_and_before_the_port_is_open() -> None:
    voice, spoken = ScriptedVoice(), ["en", "de"]
    server = VoiceServer(stt=ScriptedRecogniser(), llm=EchoModel(), tts=voice, language=spoken)
    async with server.listening(port=0):
        own = [*(PHRASES[code].apology for code in spoken), *(PHRASES[code].filler for code in spoken)]
        assert " ".join(request.text for request in voice.requests).split() == " ".join(own).split()


def test_the_collector_does_not_go_through_what_the_process_is_made_of() -> None:
    """Each full collection would hold the loop for 20 ms. Counted in a process of its own."""
    shown = subprocess.run(
        [sys.executable, "-c", WITH_NOTHING_TO_DO], capture_output=True, text=True, check=True
    )
    assert int(shown.stdout) < 1_000 < len(gc.get_objects()) + gc.get_freeze_count()


def test_a_start_that_fails_leaves_the_collector_on() -> None:
    server = VoiceServer(stt=ScriptedRecogniser(), llm=EchoModel(), tts=ScriptedVoice())
    with pytest.raises(ConfigError):
        server.run(port=-1)
    assert gc.isenabled()
