"""ElevenLabs Scribe: streamed recognition that makes audio final when it is told to
(`/v1/speech-to-text/realtime`)."""

import json
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager

from pybase64 import b64encode_as_string
from pydantic import Field

from audio.formats import SPEECH_HZ, Samples
from stages.ports import RecogniserCapabilities, SpeechHints
from stages.providers.elevenlabs.settings import CLOSE_CODES, FAULTS, ElevenLabsSettings
from stages.providers.keyterms import keyterms
from stages.providers.sockets.endpoint import Endpoint, Message, tls
from stages.providers.sockets.faults import fault
from stages.providers.sockets.hearing import Final, Finalised, Guess, HearingEvent, TimedWord
from stages.providers.sockets.hearing_protocol import HearingService
from stages.providers.sockets.listening import SocketRecogniser, listening

NAME = "elevenlabs"

MAX_KEYTERMS, MAX_KEYTERM_CHARS = 50, 20

_LEAST_S = 0.3
"""A commit with less new audio is refused; silence makes up for it."""


class ScribeSettings(ElevenLabsSettings):
    """Settings of `elevenlabs` as recogniser."""

    model: str
    """Such as "scribe_v2_realtime"."""
    language: str | None = None
    """Such as "de"; what a session knows goes before it. None: the service finds out."""
    keyterms: tuple[str, ...] = ()
    """Words that are likely to be said, of at most 20 characters."""
    enable_logging: bool = True
    """Whether the service may keep what it heard."""
    final_s: float = Field(3.0, gt=0, le=60)
    """How long the text may take once an utterance is over."""


class ElevenLabsScribe:
    """ElevenLabs' Scribe: partial text while people speak, in 90 languages, with word times."""

    interface = 1
    capabilities = RecogniserCapabilities(
        partials=True, word_times=True, turns="ours", languages=("*",), phrases=True
    )
    Settings = ScribeSettings

    def __init__(self, settings: ScribeSettings) -> None:
        self._settings = settings
        self._service = HearingService(NAME, SPEECH_HZ, self._endpoint, ScribeProtocol, settings.final_s)
        tls()

    @property
    def rate_hz(self) -> int:
        """The sample rate that `push` expects."""
        return SPEECH_HZ

    def session(self) -> AbstractAsyncContextManager[SocketRecogniser]:
        """The recogniser of one session; begins to connect."""
        return listening(self._service)

    def _endpoint(self, hints: SpeechHints) -> Endpoint:
        settings = self._settings
        query = {
            "model_id": settings.model,
            "audio_format": f"pcm_{SPEECH_HZ}",
            "commit_strategy": "manual",  # the ends of utterances are found here
            "include_timestamps": True,
            "language_code": hints.language or settings.language,
            "keyterms": keyterms(
                (*settings.keyterms, *hints.phrases), most=MAX_KEYTERMS, chars=MAX_KEYTERM_CHARS
            ),
            "enable_logging": settings.enable_logging,
        }
        return Endpoint(
            NAME,
            settings.address("/v1/speech-to-text/realtime", query),
            settings.headers(),
            speaks_first=True,
            keep_alive=_chunk(b"", commit=False),
            keep_alive_s=10.0,
            connect_s=settings.connect_s,
            close_codes=CLOSE_CODES,
        )


class ScribeProtocol:
    """The messages of the realtime socket; implements `HearingProtocol`."""

    joint = " "

    def __init__(self) -> None:
        self._commits = 0
        """Those without an answer: text that comes beyond them has come before."""
        self._new_samples = 0
        self._padded_s = 0.0
        """Silence that was sent and is not in the stream."""

    def begin(self) -> Iterable[Message]:
        """Everything is said in the address."""
        return ()

    def audio(self, samples: Samples) -> Message:
        """Base64 in JSON."""
        self._new_samples += len(samples)
        return _chunk(samples.astype("<i2", copy=False).tobytes(), commit=False)

    def finalise(self) -> Message:
        """A chunk that commits, which is empty unless too little audio came before it."""
        missing = max(0, int(_LEAST_S * SPEECH_HZ) - self._new_samples)
        self._padded_s += missing / SPEECH_HZ
        self._new_samples = 0
        self._commits += 1
        return _chunk(bytes(2 * missing), commit=True)

    def read(self, message: Message) -> Iterable[HearingEvent]:
        """Types that are unknown say nothing to us; of the two committed messages the one with times counts."""
        data = json.loads(message)
        kind = data["message_type"]
        if kind in FAULTS:
            raise fault(NAME, FAULTS[kind], f"{kind}: {data.get('error', '')}")
        if kind == "partial_transcript":
            yield Guess(data["text"])
        elif kind.endswith("_transcript_with_timestamps") and self._commits:
            self._commits -= 1
            words = tuple(
                TimedWord(word["text"], word["start"] - self._padded_s, word["end"] - self._padded_s)
                for word in data.get("words", ())
                if word.get("type", "word") == "word"
            )
            yield Final(data["text"], None, words, None, data.get("language_code"))
            yield Finalised()


def _chunk(pcm: bytes, *, commit: bool) -> str:
    return json.dumps(
        {
            "message_type": "input_audio_chunk",
            "audio_base_64": b64encode_as_string(pcm),
            "commit": commit,
            "sample_rate": SPEECH_HZ,
        }
    )
