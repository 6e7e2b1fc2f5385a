"""Every adapter that speaks to a service over the network, with the fake that serves it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from stages.testing.servers import (
    assemblyai,
    cartesia,
    deepgram,
    elevenlabs,
    inworld,
    openai_audio,
    openai_realtime,
    responses,
    rime,
    soniox,
    speechmatics,
)
from stages.testing.servers.chat import ChatService
from stages.testing.servers.chat_modes import SAYING
from stages.testing.servers.chat_stream import TEXT
from stages.testing.servers.coded import CodedWords
from stages.testing.servers.http import serving_http
from stages.testing.servers.serving import serving
from stages.testing.servers.wyoming import FakeWyoming, serving_wyoming
from tests.support.hosted import SENTENCE

Kind = Literal["stt", "turns", "tts", "llm"]
Serve = Callable[[Any], AbstractAsyncContextManager[Any]]

CODED = CodedWords(SENTENCE)
RATE_HZ = 8000
"""Of the voices."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter: what it is, its class and settings in `stages.providers`, and its fake."""

    name: str
    kind: Kind
    place: str
    """Module, class and class of the settings."""
    fake: Callable[[], Any]
    settings: dict[str, Any] = field(default_factory=dict)
    where: str = "url"
    """The setting that has the address."""
    path: str = ""
    """What comes behind the server's address."""
    serve: Serve = serving

    def make(self, url: str) -> Any:
        """The provider, for its fake at `url`."""
        module, provider, settings = self.place.split()
        home = import_module(f"stages.providers.{module}")
        address = url.replace("ws:", "http:") if self.where == "base_url" else url
        chosen = getattr(home, settings)(**self.settings, **{self.where: address + self.path})
        made = getattr(home, provider)
        return made.from_settings(chosen) if hasattr(made, "from_settings") else made(chosen)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """Serve its fake; gives the address."""
        async with self.serve(self.fake()) as server:
            yield server.uri if isinstance(server, FakeWyoming) else server.url


def _voice(name: str, place: str, fake: Callable[[], Any], key: str, model: str, **more: Any) -> Adapter:
    path = more.pop("path", "")
    given = {"api_key": key, "model": model, "sample_rate": RATE_HZ, **more}
    return Adapter(name, "tts", place, fake, given, path=path)


def _openai(name: str, kind: Kind, place: str, fake: Callable[[], Any], key: str, **more: Any) -> Adapter:
    serve: Serve = more.pop("serve", serving_http)
    return Adapter(name, kind, f"openai.{place}", fake, {"api_key": key, **more}, "base_url", "/v1", serve)


ADAPTERS = (
    Adapter(
        "deepgram",
        "stt",
        "deepgram.nova DeepgramNova NovaSettings",
        lambda: deepgram.FakeNova(CODED),
        {"api_key": deepgram.KEY, "model": "nova-3"},
    ),
    Adapter(
        "deepgram flux",
        "turns",
        "deepgram.flux DeepgramFlux FluxSettings",
        lambda: deepgram.FakeFlux(CODED),
        {"api_key": deepgram.KEY, "model": "flux-general-en"},
    ),
    _voice(
        "deepgram",
        "deepgram.aura DeepgramAura AuraSettings",
        deepgram.FakeAura,
        deepgram.KEY,
        "aura-2-thalia-en",
    ),
    Adapter(
        "elevenlabs",
        "stt",
        "elevenlabs.scribe ElevenLabsScribe ScribeSettings",
        lambda: elevenlabs.FakeScribe(CODED),
        {"api_key": elevenlabs.KEY, "model": "scribe_v2_realtime"},
    ),
    _voice(
        "elevenlabs",
        "elevenlabs.voice ElevenLabsVoice ElevenLabsVoiceSettings",
        elevenlabs.FakeElevenLabsVoice,
        elevenlabs.KEY,
        "eleven_flash_v2_5",
        voice="abc",
    ),
    Adapter(
        "cartesia",
        "stt",
        "cartesia.ink CartesiaInk InkSettings",
        lambda: cartesia.FakeInk(CODED),
        {"api_key": cartesia.KEY, "model": "ink-2"},
    ),
    Adapter(
        "cartesia turns",
        "turns",
        "cartesia.ink_turns CartesiaInkTurns InkTurnsSettings",
        lambda: cartesia.FakeInkTurns(CODED),
        {"api_key": cartesia.KEY, "model": "ink-2"},
    ),
    _voice(
        "cartesia",
        "cartesia.sonic CartesiaSonic SonicSettings",
        cartesia.FakeSonic,
        cartesia.KEY,
        "sonic-3.5",
        voice="abc",
    ),
    Adapter(
        "assemblyai",
        "turns",
        "assemblyai AssemblyAI AssemblyAISettings",
        lambda: assemblyai.FakeAssemblyAI(CODED),
        {"api_key": assemblyai.KEY, "model": "universal-streaming-english"},
    ),
    Adapter(
        "soniox",
        "stt",
        "soniox.stt SonioxRecogniser SonioxRecogniserSettings",
        lambda: soniox.FakeSonioxEar(CODED),
        {"api_key": soniox.KEY, "model": "stt-rt-v5"},
        path="/transcribe-websocket",
    ),
    Adapter(
        "soniox turns",
        "turns",
        "soniox.turns SonioxTurns SonioxTurnsSettings",
        lambda: soniox.FakeSonioxTurns(CODED),
        {"api_key": soniox.KEY, "model": "stt-rt-v5", "max_endpoint_delay_ms": 500},
        path="/transcribe-websocket",
    ),
    _voice(
        "soniox",
        "soniox.tts SonioxVoice SonioxVoiceSettings",
        soniox.FakeSonioxVoice,
        soniox.KEY,
        "tts-rt-v1",
        voice="abc",
        path="/tts-websocket",
    ),
    Adapter(
        "speechmatics",
        "stt",
        "speechmatics Speechmatics SpeechmaticsSettings",
        lambda: speechmatics.FakeSpeechmatics(CODED),
        {"api_key": speechmatics.KEY, "model": "enhanced"},
        path="/v2/",
    ),
    Adapter(
        "speechmatics turns",
        "turns",
        "speechmatics_turns SpeechmaticsTurns SpeechmaticsTurnsSettings",
        lambda: speechmatics.FakeSpeechmaticsAgent(CODED),
        {"api_key": speechmatics.KEY, "model": "linden-1"},
        path="/v2/agent",
    ),
    _voice("rime", "rime RimeVoice RimeSettings", rime.FakeRime, rime.KEY, "mistv2", voice="abc"),
    _voice(
        "inworld",
        "inworld InworldVoice InworldSettings",
        inworld.FakeInworld,
        inworld.KEY,
        "inworld-tts-1",
        voice="abc",
    ),
    _openai(
        "openai",
        "llm",
        "chat OpenAIChatModel ChatSettings",
        lambda: ChatService(SAYING["as OpenAI"]),
        "fake-key",
        model="fake-chat",
    ),
    _openai(
        "openai responses",
        "llm",
        "responses OpenAIResponsesModel ResponsesSettings",
        lambda: responses.ResponsesService(responses.says(TEXT)),
        responses.KEY,
        model="fake-chat",
    ),
    _openai(
        "openai transcriptions",
        "stt",
        "transcriptions OpenAITranscriber TranscriptionSettings",
        lambda: openai_audio.AudioService(CODED),
        openai_audio.KEY,
        model="fake-ear",
    ),
    _openai(
        "openai realtime",
        "stt",
        "realtime OpenAIRealtimeTranscriber RealtimeSettings",
        lambda: openai_realtime.FakeRealtime(CodedWords(SENTENCE, rate_hz=24_000)),
        openai_realtime.KEY,
        model=openai_realtime.MODEL,
        serve=serving,
    ),
    _openai(
        "openai speech",
        "tts",
        "speech OpenAIVoice SpeechSettings",
        lambda: openai_audio.AudioService(CODED),
        openai_audio.KEY,
        model="fake-voice",
        voice="calm",
    ),
    Adapter(
        "wyoming",
        "stt",
        "wyoming.stt WyomingRecogniser WyomingRecogniserSettings",
        lambda: FakeWyoming(CODED),
        where="uri",
        serve=serving_wyoming,
    ),
    Adapter(
        "wyoming",
        "tts",
        "wyoming.tts WyomingVoice WyomingVoiceSettings",
        lambda: FakeWyoming(CODED),
        where="uri",
        serve=serving_wyoming,
    ),
)
"""One of each. Of one name and kind there is one."""
