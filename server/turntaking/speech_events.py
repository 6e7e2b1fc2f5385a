"""What is heard of a person's speech: it began, paused, went on, is over."""

from dataclasses import dataclass
from typing import Protocol

from server.conversation.utterance import Utterance


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """The person has begun to speak."""

    utterance: Utterance
    audio_start_ms: int
    onset_ms: int
    """Where the voice began; the audio begins before it."""


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """The person may have stopped: what they said so far can be transcribed."""

    utterance: Utterance
    voice_ended_ms: int


@dataclass(frozen=True, slots=True)
class SoundPaused:
    """A sound has paused of which a recogniser that finds the ends of turns has said nothing: it may have no words."""

    utterance: Utterance
    voice_ended_ms: int


@dataclass(frozen=True, slots=True)
class SpeechWentOn:
    """The person had not stopped: speech goes on after a pause."""

    utterance: Utterance
    pause_ms: int


@dataclass(frozen=True, slots=True)
class SpeechOver:
    """The person has stopped; the utterance is whole."""

    utterance: Utterance
    audio_end_ms: int


SpeechEvent = SpeechBegan | SpeechPaused | SoundPaused | SpeechWentOn | SpeechOver


class SpeechListener(Protocol):
    """Is told what is heard of the person's speech, and decides what to do."""

    def heard(self, event: SpeechEvent) -> None:
        """The person has begun, paused, gone on or stopped."""
