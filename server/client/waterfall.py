"""How long a conversation with a recording took: each step of its last answer, and to silence after an interruption."""

from collections.abc import Mapping, Sequence

from audio.endpoint import EndpointConfig, SpeechStarted
from audio.formats import SPEECH_HZ, AudioFormat, Encoding, Samples
from audio.listener import Listener
from audio.resample import Resampler
from server.client.client import Received

STOPPED = "input_audio_buffer.speech_stopped"
AUDIO = "response.output_audio.delta"
DONE = "response.done"
STEPS = {
    STOPPED: "end of turn",
    "conversation.item.input_audio_transcription.completed": "transcript",
    "response.output_audio_transcript.delta": "first token",
    AUDIO: "first audio",
    DONE: "all sent",
}


def onset_s(samples: Samples, rate_hz: int) -> float:
    """Where the first voiced sample of a recording is; its beginning, if no voice is found."""
    heard = Resampler(rate_hz, SPEECH_HZ).process(samples, last=True)
    ear = Listener(AudioFormat(Encoding.PCM16, SPEECH_HZ), config=EndpointConfig())
    events = ear.push(heard.astype("<i2").tobytes())
    onsets = (event.onset_sample for event in events if isinstance(event, SpeechStarted))
    return next(onsets, 0) / SPEECH_HZ


def waterfall(received: Sequence[Received]) -> list[str]:
    """The steps of the last answer, a line each; nothing if no turn has ended."""
    answers = [seen.event["response"]["id"] for seen in received if seen.type == "response.created"]
    begins = next(
        (at for at, seen in enumerate(received) if answers and _is_of(seen, answers[-1])), len(received)
    )
    stops = [at for at, seen in enumerate(received[:begins]) if seen.type == STOPPED]
    if not stops:
        return []
    turn = received[stops[-1] :]
    which = "the last answer" if len(answers) > 1 else "the answer"
    first = {type: next((seen for seen in turn if seen.type == type), None) for type in STEPS}
    steps = {name: first[type] for type, name in STEPS.items()}
    return [f"{which}, since the server heard the end of the turn:", *_lines(steps, turn[0].at_s)]


def interruption(received: Sequence[Received], voiced_at_s: float) -> list[str]:
    """How long the first answer went on after the voice that interrupts it; nothing if there was no answer. What had
    come before the voice has a negative time: audio is sent a tenth of a second at a time."""
    audio = [seen for seen in received if seen.type == AUDIO]
    if not audio:
        return []
    old = [seen for seen in received if _is_of(seen, audio[0].event["response_id"])]
    steps = {
        "last audio": next((seen for seen in reversed(old) if seen.type == AUDIO), None),
        "all over": next((seen for seen in old if seen.type == DONE), None),
    }
    return [
        "the first answer, since the first voiced sample of the interruption was sent:",
        *_lines(steps, voiced_at_s),
    ]


def _lines(steps: Mapping[str, Received | None], since_s: float) -> list[str]:
    return [
        f"  {name:<12}{(seen.at_s - since_s) * 1000:6.0f} ms"
        for name, seen in steps.items()
        if seen is not None
    ]


def _is_of(seen: Received, response_id: str) -> bool:
    response = seen.event.get("response") or {}
    return response_id in (seen.event.get("response_id"), response.get("id"))
