"""What a server and the model tier say to each other, as values. Pure.

One WebSocket a session and kind, at `/v1/stt` or `/v1/tts`. Text messages are JSON objects with a `type`, the classes
below; binary messages are audio: the number of the utterance in 4 bytes, then `int16` samples, all in little-endian.
The tier speaks first, with `Hello`. Several utterances may be open on one connection; the client numbers them.
Nothing outlives a connection: a client whose connection is lost opens its utterances again on the next one.
"""

import struct
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from audio.formats import Samples
from stages.errors import ErrorKind, ProviderError
from stages.ports import SpeechHints, Transcript, VoiceOption, WordTime

PROTOCOL = 1
"""The version of these messages; it grows when an old client would not understand a new tier."""

MAX_MESSAGE_BYTES = 1 << 20
"""Of one message, in either direction: half a minute of speech."""

MAX_TEXT_CHARS = 20_000
"""Of one piece of text."""

MAX_UTTERANCES = 8
"""Open at a recogniser on one connection; a client that has more lets them wait."""

_NUMBER = struct.Struct("<I")

Number = Annotated[int, Field(ge=0, lt=1 << 32)]


class _Said(BaseModel):
    """A message; frozen, and without fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


# --- both kinds -------------------------------------------------------------------------------------------


class Hello(_Said):
    """The first message of the tier: what is there, and in which version it speaks."""

    type: Literal["hello"] = "hello"
    protocol: int = PROTOCOL
    kind: Literal["stt", "tts"]
    engine: str
    """The name of the provider that does the work."""
    rate_hz: int
    """Of the audio on this connection: what is pushed to a recogniser, or what a voice gives."""
    languages: tuple[str, ...] = ("*",)
    voices: tuple[VoiceOption, ...] = ()


class Fault(_Said):
    """Something has failed: the answer `ask`, the utterance `id`, or, with neither, a message was not understood."""

    type: Literal["fault"] = "fault"
    id: Number | None = None
    ask: Number | None = None
    kind: ErrorKind = ErrorKind.SERVER
    text: str = ""
    retry_after_s: float | None = None


# --- speech to text: from the client ----------------------------------------------------------------------


class Listen(_Said):
    """Open an utterance; audio follows."""

    type: Literal["listen"] = "listen"
    id: Number
    partials: bool = False
    hints: SpeechHints = SpeechHints()


class Final(_Said):
    """Asks for the text of all audio so far; answered by `Heard` or `Fault` with the same `ask`."""

    type: Literal["final"] = "final"
    id: Number
    ask: Number


class Drop(_Said):
    """The answer is not wanted any more; the utterance goes on."""

    type: Literal["drop"] = "drop"
    id: Number


class Close(_Said):
    """Let go of the utterance."""

    type: Literal["close"] = "close"
    id: Number


# --- speech to text: from the tier ------------------------------------------------------------------------


class Guess(_Said):
    """A partial text. `text` starts with `stable`."""

    type: Literal["guess"] = "guess"
    id: Number
    text: str
    stable: str = ""


class Heard(_Said):
    """The text of an utterance."""

    type: Literal["heard"] = "heard"
    id: Number
    ask: Number
    transcript: Transcript


# --- text to speech: from the client ----------------------------------------------------------------------


class Speak(_Said):
    """Open an answer; text follows."""

    type: Literal["speak"] = "speak"
    id: Number
    voice: str | None = None
    speed: Annotated[float, Field(gt=0, le=10)] = 1.0
    language: str | None = None


class Text(_Said):
    """The next piece of an answer."""

    type: Literal["text"] = "text"
    id: Number
    text: Annotated[str, Field(max_length=MAX_TEXT_CHARS)]


class Finish(_Said):
    """The answer's text is complete."""

    type: Literal["finish"] = "finish"
    id: Number


class Cancel(_Said):
    """Be done with an answer; `Ended` follows."""

    type: Literal["cancel"] = "cancel"
    id: Number


# --- text to speech: from the tier ------------------------------------------------------------------------


class Spoken(_Said):
    """The next words of an answer with their places in its audio, and how many pieces of text are complete."""

    type: Literal["spoken"] = "spoken"
    id: Number
    words: tuple[WordTime, ...] = ()
    pieces: int = 0


class Ended(_Said):
    """All audio of an answer has been sent, or it was cancelled."""

    type: Literal["ended"] = "ended"
    id: Number
    cancelled: bool = False


FromHearer = Annotated[Listen | Final | Drop | Close, Field(discriminator="type")]
FromSpeaker = Annotated[Speak | Text | Finish | Cancel, Field(discriminator="type")]
FromTier = Annotated[Hello | Fault | Guess | Heard | Spoken | Ended, Field(discriminator="type")]

HEARERS: TypeAdapter[Listen | Final | Drop | Close] = TypeAdapter(FromHearer)
"""Reads what a client of a recogniser says; raises ValidationError, which names the field."""
SPEAKERS: TypeAdapter[Speak | Text | Finish | Cancel] = TypeAdapter(FromSpeaker)
"""The same of a voice."""
TIERS: TypeAdapter[Hello | Fault | Guess | Heard | Spoken | Ended] = TypeAdapter(FromTier)
"""The same of the tier."""


def audio_message(number: int, samples: Samples) -> bytes:
    """`int16[n]` of an utterance as a binary message."""
    return _NUMBER.pack(number) + samples.astype("<i2", copy=False).tobytes()


def audio_of(message: bytes) -> tuple[int, Samples]:
    """The number of the utterance and its `int16[n]`, which is not to be written to. Raises ValueError."""
    if len(message) < _NUMBER.size or len(message) % 2:
        raise ValueError("a binary message is a number of 4 bytes and samples of 2 bytes each")
    return _NUMBER.unpack_from(message)[0], np.frombuffer(message, "<i2", offset=_NUMBER.size)


def fault_of(error: ProviderError, *, number: int | None = None, ask: int | None = None) -> Fault:
    """What the client is told of an error at the tier."""
    kind = error.kind or ErrorKind.SERVER
    return Fault(id=number, ask=ask, kind=kind, text=str(error)[:300], retry_after_s=error.retry_after_s)
