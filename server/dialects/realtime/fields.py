"""The fields that clients of the Realtime protocol may send, and the limits of each: pydantic models only.

Known keys must have the right type and lie within their limits. Every fault of an event is found in one pass. Unknown
keys are ignored here, and told by `server.dialects.realtime.unknown`.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from audio.endpoint_config import LIMITS
from audio.formats import RATES_HZ, AudioFormat, Encoding
from server.dialects.realtime.phrases import MAX_PROMPT_CHARS, Keyword
from server.dialects.realtime.setting_checks import (
    Choice,
    KeptObject,
    OutputModality,
    OutputTokens,
    Text,
    Tools,
    Tracing,
    Truncation,
    Voice,
    wrong,
)
from stages.ports import MAX_PHRASES


class WireObject(BaseModel):
    """Any object of the protocol: unknown keys are ignored, known ones are not guessed at."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)


class FormatPart(WireObject):
    """An audio format; `rate` other than 24000 is an extension of ours."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
    rate: int | None = None

    @field_validator("rate")
    @classmethod
    def _rate_fits(cls, rate: int | None, info: ValidationInfo) -> int | None:
        rates = RATES_HZ if info.data.get("type", "audio/pcm") == "audio/pcm" else (8_000,)
        if rate is not None and rate not in rates:
            raise wrong(f"must be one of {', '.join(map(str, rates))}")
        return rate

    def to_format(self) -> AudioFormat:
        """The same as a value; the rate has been checked."""
        if self.type == "audio/pcm":
            return AudioFormat(Encoding.PCM16, self.rate or 24_000)
        return AudioFormat(Encoding.PCMU if self.type == "audio/pcmu" else Encoding.PCMA, 8_000)


def _within(name: str) -> Any:
    least, most = LIMITS[name]
    return Field(default=None, ge=least, le=most)


class TurnDetectionPart(WireObject):
    """How turns are found. The bounds of `idle_timeout_ms` are the protocol's, the others our detector's."""

    type: Literal["server_vad", "semantic_vad"] | None = None
    threshold: float | None = _within("threshold")
    prefix_padding_ms: int | None = _within("prefix_padding_ms")
    silence_duration_ms: int | None = _within("silence_duration_ms")
    idle_timeout_ms: int | None = Field(default=None, ge=5_000, le=30_000)
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class TranscriptionPart(WireObject):
    """Whether, and with what hints, the person's words are shown."""

    model: str | None = Field(default=None, max_length=256)
    language: str | None = Field(default=None, max_length=64)
    prompt: str | None = Field(default=None, max_length=MAX_PROMPT_CHARS)
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None
    languages: list[str] | None = Field(default=None, max_length=100)
    keywords: list[Keyword] | None = Field(default=None, max_length=MAX_PHRASES)


class NoiseReductionPart(WireObject):
    """`noise_reduction`: where the microphone is."""

    type: Literal["near_field", "far_field"]
    strength: float | None = None


class InputPart(WireObject):
    """`session.audio.input`; `x_echo_cancelled` is an extension of ours."""

    format: FormatPart | None = None
    transcription: TranscriptionPart | None = None
    noise_reduction: NoiseReductionPart | None = None
    turn_detection: TurnDetectionPart | None = None
    x_echo_cancelled: bool | None = None


class OutputPart(WireObject):
    """`session.audio.output`."""

    format: FormatPart | None = None
    voice: Voice = None
    speed: float | None = Field(default=None, ge=0.25, le=1.5)


class AudioPart(WireObject):
    """`session.audio`."""

    input: InputPart | None = None
    output: OutputPart | None = None


class ReasoningPart(WireObject):
    """`session.reasoning`."""

    effort: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


class SessionPart(WireObject):
    """`session` of a `session.update`: only what is present counts. `model` cannot change."""

    type: Literal["realtime", "transcription"] | None = None
    model: Any = None
    audio: AudioPart | None = None
    instructions: Text | None = None
    output_modalities: OutputModality = None
    max_output_tokens: OutputTokens = None
    tools: Tools = None
    tool_choice: Choice = None
    parallel_tool_calls: bool | None = None
    tracing: Tracing = None
    truncation: Truncation = None
    prompt: KeptObject = None
    reasoning: ReasoningPart | None = None
    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = Field(
        default=None, max_length=1
    )
