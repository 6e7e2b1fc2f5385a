"""The providers that come along: for each kind and name the class, and what must be installed for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["stt", "llm", "tts", "vad", "end_of_turn", "tools", "stage"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""All kinds of providers."""


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A provider that comes along; `extra` brings the packages that it `requires`, which it imports when it is made."""

    target: str
    extra: str | None = None
    requires: tuple[str, ...] = ()


BUILT_IN: Mapping[Kind, Mapping[str, BuiltIn]] = {
    "stt": {
        "embedded": BuiltIn(
            "stages.providers.moonshine.recogniser:MoonshineRecogniser", "embedded", ("onnxruntime",)
        ),
        "moonshine": BuiltIn(
            "stages.providers.moonshine.recogniser:MoonshineRecogniser", "embedded", ("onnxruntime",)
        ),
        "whisper": BuiltIn(
            "stages.providers.whisper.recogniser:EmbeddedRecogniser", "whisper", ("ctranslate2",)
        ),
        "whisper_base": BuiltIn(
            "stages.providers.whisper.multilingual:MultilingualRecogniser", "languages", ("ctranslate2",)
        ),
        "deepgram": BuiltIn("stages.providers.deepgram.nova:DeepgramNova"),
        "deepgram_flux": BuiltIn("stages.providers.deepgram.flux:DeepgramFlux"),
        "openai": BuiltIn("stages.providers.openai.transcriptions:OpenAITranscriber"),
        "openai_realtime": BuiltIn("stages.providers.openai.realtime:OpenAIRealtimeTranscriber"),
        "cartesia": BuiltIn("stages.providers.cartesia.ink:CartesiaInk"),
        "cartesia_turns": BuiltIn("stages.providers.cartesia.ink_turns:CartesiaInkTurns"),
        "elevenlabs": BuiltIn("stages.providers.elevenlabs.scribe:ElevenLabsScribe"),
        "assemblyai": BuiltIn("stages.providers.assemblyai:AssemblyAI"),
        "soniox": BuiltIn("stages.providers.soniox.stt:SonioxRecogniser"),
        "soniox_turns": BuiltIn("stages.providers.soniox.turns:SonioxTurns"),
        "speechmatics": BuiltIn("stages.providers.speechmatics:Speechmatics"),
        "speechmatics_turns": BuiltIn("stages.providers.speechmatics_turns:SpeechmaticsTurns"),
        "faster_whisper": BuiltIn(
            "stages.providers.faster_whisper:FasterWhisper", "faster-whisper", ("faster_whisper",)
        ),
        "sherpa_onnx": BuiltIn("stages.providers.sherpa_onnx:SherpaOnnx", "sherpa", ("sherpa_onnx",)),
        "wyoming": BuiltIn("stages.providers.wyoming.stt:WyomingRecogniser", "wyoming", ("wyoming",)),
        "remote": BuiltIn("stages.providers.remote.stt:RemoteRecogniser"),
        "scripted": BuiltIn("stages.testing.fakes:ScriptedRecogniser"),
    },
    "llm": {
        "openai": BuiltIn("stages.providers.openai.chat:OpenAIChatModel"),
        "openai_responses": BuiltIn("stages.providers.openai.responses:OpenAIResponsesModel"),
        "local": BuiltIn("stages.providers.local_model.model:LocalModel", "local-model", ("unirt",)),
        "demo": BuiltIn("stages.demo.agent:DemoAgent", "embedded"),
        "echo": BuiltIn("stages.testing.fakes:EchoModel"),
    },
    "tts": {
        "embedded": BuiltIn("stages.providers.hibari.voice:EmbeddedVoice", "embedded", ("hibari",)),
        "kokoro": BuiltIn(
            "stages.providers.kokoro.voice:KokoroVoice", "kokoro", ("onnxruntime", "hibari", "piper_plus_g2p")
        ),
        "by_language": BuiltIn(
            "stages.providers.by_language:LanguageVoices", "languages", ("hibari", "py_nanotts")
        ),
        "pico": BuiltIn("stages.providers.pico.voice:PicoVoice", "languages", ("py_nanotts",)),
        "deepgram": BuiltIn("stages.providers.deepgram.aura:DeepgramAura"),
        "openai": BuiltIn("stages.providers.openai.speech:OpenAIVoice"),
        "cartesia": BuiltIn("stages.providers.cartesia.sonic:CartesiaSonic"),
        "elevenlabs": BuiltIn("stages.providers.elevenlabs.voice:ElevenLabsVoice"),
        "soniox": BuiltIn("stages.providers.soniox.tts:SonioxVoice"),
        "inworld": BuiltIn("stages.providers.inworld:InworldVoice"),
        "rime": BuiltIn("stages.providers.rime:RimeVoice"),
        "wyoming": BuiltIn("stages.providers.wyoming.tts:WyomingVoice", "wyoming", ("wyoming",)),
        "remote": BuiltIn("stages.providers.remote.tts:RemoteVoice"),
        "scripted": BuiltIn("stages.testing.fakes:ScriptedVoice"),
    },
    "vad": {
        "silero": BuiltIn("stages.providers.silero:SileroModel", "turns", ("onnxruntime",)),
        "webrtc": BuiltIn("stages.providers.webrtc:WebRtcDetector"),
    },
    "end_of_turn": {
        "smart_turn": BuiltIn("stages.providers.smart_turn:SmartTurn", "turns", ("onnxruntime",))
    },
    "tools": {},
    "stage": {},
}
