"""How long a conversation with a recording took: each step of each answer since the voice that it answers, and to
silence after an interruption."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audio.endpoint import SpeechEnded, SpeechStarted
from audio.endpoint_config import EndpointConfig
from audio.formats import SPEECH_HZ, AudioFormat, Encoding, Samples
from audio.listener import Listener
from audio.resample import Resampler
from server.client.client import AUDIO_FRAME, Received
from server.client.exchange import TRANSCRIBED

STOPPED = "input_audio_buffer.speech_stopped"
CREATED = "response.created"
AUDIO = frozenset({"response.output_audio.delta", AUDIO_FRAME})
"""Sound of an answer, as Realtime and as voice.v1 have it."""
DONE = "response.done"
FIRST_AUDIO = "first audio"
TYPED = "typed"
"""The part of a response's metadata that names the text which it was asked for."""
STEPS = {
    "first token": frozenset({"response.output_audio_transcript.delta"}),
    FIRST_AUDIO: AUDIO,
    "all sent": frozenset({DONE}),
}

PAUSE_MS = 200
"""Silence that ends a stretch of voice: shorter than any that ends a turn."""


def voiced_s(samples: Samples, rate_hz: int) -> list[tuple[float, float]]:
    """Where the stretches of voice in a recording begin and end."""
    heard = Resampler(rate_hz, SPEECH_HZ).process(samples, last=True)
    ear = Listener(
        AudioFormat(Encoding.PCM16, SPEECH_HZ), config=EndpointConfig(silence_duration_ms=PAUSE_MS)
    )
    silence = bytes(2 * SPEECH_HZ)  # so that the last stretch ends
    events = ear.push(heard.astype("<i2").tobytes() + silence)
    begins = [event.onset_sample / SPEECH_HZ for event in events if isinstance(event, SpeechStarted)]
    ends = [event.last_voiced_sample / SPEECH_HZ for event in events if isinstance(event, SpeechEnded)]
    return list(zip(begins, ends, strict=True))


@dataclass(frozen=True, slots=True)
class AnswerSteps:
    """One answer, and how long each of its steps took."""

    since: str
    """What the times count from: `voice`, the last voiced sample; `turn`, its end as the server heard it; or `text`."""
    ms: dict[str, float]
    """When each step that happened was over."""

    @property
    def wait_ms(self) -> float | None:
        """How long it was waited for: until its first audio, None where there was none."""
        return self.ms.get(FIRST_AUDIO)


@dataclass(frozen=True, slots=True)
class TypedText:
    """A text that was typed, and when it was sent."""

    item_id: str
    at_s: float


_SINCE = {
    "voice": "the last voiced sample was sent",
    "turn": "the server heard the end of the turn",
    "text": "the text was sent",
}


def turns_of(received: Sequence[Received], ends_s: Sequence[float]) -> list[AnswerSteps]:
    """The answers to what was said; `ends_s` is when stretches of voice had been sent."""
    turns = []
    for stop, response_id in _turns(received):
        voiced = [end_s for end_s in ends_s if end_s <= stop.at_s]
        steps = {"end of turn": stop, "transcript": _transcript(received, stop)}
        steps |= _steps_of(received, response_id)
        since = "voice" if voiced else "turn"
        turns.append(AnswerSteps(since, _since(steps, max(voiced, default=stop.at_s))))
    return turns


def text_of(response: Mapping[str, Any]) -> str | None:
    """The item that a response was asked for; empty for none, and None where the server does not say."""
    return (response["metadata"] or {}).get(TYPED, "") if "metadata" in response else None


def written_turns(received: Sequence[Received], asked: Sequence[TypedText]) -> list[AnswerSteps]:
    """The answers to what was typed."""
    begun = [seen.event["response"] for seen in received if seen.type == CREATED]
    answers = {text_of(response): response["id"] for response in begun}
    return [
        AnswerSteps("text", _since(_steps_of(received, answers[one.item_id]), one.at_s))
        for one in asked
        if one.item_id in answers
    ]


def in_words(turns: Sequence[AnswerSteps]) -> list[str]:
    """The steps for people, a line each."""
    lines: list[str] = []
    for number, turn in enumerate(turns, 1):
        which = f"answer {number} of {len(turns)}" if len(turns) > 1 else "the answer"
        lines += [f"{which}, since {_SINCE[turn.since]}:", *_lines(turn.ms)]
    return lines


def interruption(received: Sequence[Received], voiced_at_s: float) -> list[str]:
    """How long an answer went on after the voice that interrupts it; nothing if there was no answer. What had come
    before the voice has a negative time: audio is sent a tenth of a second at a time."""
    audio = [seen for seen in received if seen.type in AUDIO and seen.at_s <= voiced_at_s]
    if not audio:
        return []
    old = [seen for seen in received if _is_of(seen, audio[-1].event["response_id"])]
    steps = {
        "last audio": next((seen for seen in reversed(old) if seen.type in AUDIO), None),
        "all over": next((seen for seen in old if seen.type == DONE), None),
    }
    return [
        "the interrupted answer, since the first voiced sample of the interruption was sent:",
        *_lines(_since(steps, voiced_at_s)),
    ]


def _turns(received: Sequence[Received]) -> Iterator[tuple[Received, str]]:
    """The end of each turn that was answered, and the answer's id. Answers to nothing said are left out."""
    stop: Received | None = None
    for seen in received:
        if seen.type == STOPPED:
            stop = seen
        elif seen.type == CREATED and stop is not None:
            yield stop, seen.event["response"]["id"]
            stop = None


def _transcript(received: Sequence[Received], stop: Received) -> Received | None:
    item_id = stop.event["item_id"]
    return next(
        (seen for seen in received if seen.type == TRANSCRIBED and seen.event["item_id"] == item_id), None
    )


def _steps_of(received: Sequence[Received], response_id: str) -> dict[str, Received | None]:
    own = [seen for seen in received if _is_of(seen, response_id)]
    return {name: next((seen for seen in own if seen.type in types), None) for name, types in STEPS.items()}


def _since(steps: Mapping[str, Received | None], since_s: float) -> dict[str, float]:
    return {name: round((seen.at_s - since_s) * 1000, 1) for name, seen in steps.items() if seen is not None}


def _lines(ms: Mapping[str, float]) -> list[str]:
    return [f"  {name:<12}{took_ms:6.0f} ms" for name, took_ms in ms.items()]


def _is_of(seen: Received, response_id: str) -> bool:
    response = seen.event.get("response") or {}
    return response_id in (seen.event.get("response_id"), response.get("id"))
