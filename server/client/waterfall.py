"""How long a conversation with a recording took: each step of each answer since the voice that it answers, and to
silence after an interruption."""

from collections.abc import Iterator, Mapping, Sequence

from audio.endpoint import EndpointConfig, SpeechEnded, SpeechStarted
from audio.formats import SPEECH_HZ, AudioFormat, Encoding, Samples
from audio.listener import Listener
from audio.resample import Resampler
from server.client.client import Received
from server.client.exchange import TRANSCRIBED

STOPPED = "input_audio_buffer.speech_stopped"
CREATED = "response.created"
AUDIO = "response.output_audio.delta"
DONE = "response.done"
STEPS = {
    "response.output_audio_transcript.delta": "first token",
    AUDIO: "first audio",
    DONE: "all sent",
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


def waterfall(received: Sequence[Received], ends_s: Sequence[float]) -> list[str]:
    """The steps of each answer to something said, a line each; `ends_s` is when stretches of voice had been sent."""
    turns = list(_turns(received))
    lines: list[str] = []
    for number, (stop, response_id) in enumerate(turns, 1):
        which = f"answer {number} of {len(turns)}" if len(turns) > 1 else "the answer"
        voiced = [end_s for end_s in ends_s if end_s <= stop.at_s]
        since = "the last voiced sample was sent" if voiced else "the server heard the end of the turn"
        own = [seen for seen in received if _is_of(seen, response_id)]
        steps = {"end of turn": stop, "transcript": _transcript(received, stop)}
        steps |= {
            name: next((seen for seen in own if seen.type == type), None) for type, name in STEPS.items()
        }
        lines += [f"{which}, since {since}:", *_lines(steps, max(voiced, default=stop.at_s))]
    return lines


def waits_ms(received: Sequence[Received], ends_s: Sequence[float]) -> list[float]:
    """How long each answer with a sound was waited for: to its first audio, since what `waterfall` counts from."""
    waits = []
    for stop, response_id in _turns(received):
        since_s = max((end_s for end_s in ends_s if end_s <= stop.at_s), default=stop.at_s)
        audio = (seen for seen in received if seen.type == AUDIO and _is_of(seen, response_id))
        first = next(audio, None)
        if first is not None:
            waits.append((first.at_s - since_s) * 1000)
    return waits


def interruption(received: Sequence[Received], voiced_at_s: float) -> list[str]:
    """How long an answer went on after the voice that interrupts it; nothing if there was no answer. What had come
    before the voice has a negative time: audio is sent a tenth of a second at a time."""
    audio = [seen for seen in received if seen.type == AUDIO and seen.at_s <= voiced_at_s]
    if not audio:
        return []
    old = [seen for seen in received if _is_of(seen, audio[-1].event["response_id"])]
    steps = {
        "last audio": next((seen for seen in reversed(old) if seen.type == AUDIO), None),
        "all over": next((seen for seen in old if seen.type == DONE), None),
    }
    return [
        "the interrupted answer, since the first voiced sample of the interruption was sent:",
        *_lines(steps, voiced_at_s),
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


def _lines(steps: Mapping[str, Received | None], since_s: float) -> list[str]:
    return [
        f"  {name:<12}{(seen.at_s - since_s) * 1000:6.0f} ms"
        for name, seen in steps.items()
        if seen is not None
    ]


def _is_of(seen: Received, response_id: str) -> bool:
    response = seen.event.get("response") or {}
    return response_id in (seen.event.get("response_id"), response.get("id"))
