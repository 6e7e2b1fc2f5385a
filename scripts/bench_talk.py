"""Voice to voice: how long a person waits after their last voiced sample, and where the time goes; and when the first
caption comes, after the first voiced sample.

Starts a server with the embedded models and speaks each clip to it in real time over a real socket, one session a
clip. The floor, in the same run, is the least silence that the server takes for an end: no answer can come sooner.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

import anyio

from audio.endpoint import SpeechEnded, SpeechStarted
from audio.endpoint_config import EndpointConfig
from audio.files import read_audio
from audio.formats import SPEECH_HZ, AudioFormat, Encoding, Samples
from audio.listener import Listener
from audio.resample import Resampler
from audio.vad import WebRtcVad
from server.app import App
from server.client.client import RealtimeClient
from server.config.environment import load_settings
from server.config.providers import load_providers
from server.turntaking.endpointing import EAGERNESS

SPEECH = Path(__file__).parents[1] / "tests" / "data" / "speech"
LONGEST_S = 8.0
TRANSCRIPT = "conversation.item.input_audio_transcription.completed"
CAPTION = "conversation.item.input_audio_transcription.delta"
STEPS = {
    "input_audio_buffer.speech_stopped": "endpoint",
    TRANSCRIPT: "transcript",
    "response.output_audio_transcript.delta": "first token",
    "response.output_audio.delta": "first audio",
}


@dataclass(frozen=True)
class Clip:
    """A recording, and when its voice begins and ends."""

    name: str
    samples: Samples
    rate_hz: int
    first_voiced_s: float
    last_voiced_s: float


def read_clip(path: Path) -> Clip | None:
    """The clip, if it is short enough and one utterance to the detector."""
    samples, rate_hz = read_audio(path)
    if len(samples) > LONGEST_S * rate_hz:
        return None
    heard = Resampler(rate_hz, SPEECH_HZ).process(samples, last=True)
    ear = Listener(AudioFormat(Encoding.PCM16, SPEECH_HZ), WebRtcVad(), EndpointConfig())
    events = ear.push(heard.astype("<i2").tobytes() + bytes(2 * SPEECH_HZ))
    begins = [event.onset_sample for event in events if isinstance(event, SpeechStarted)]
    ends = [event.last_voiced_sample for event in events if isinstance(event, SpeechEnded)]
    if len(ends) != 1:
        return None
    return Clip(path.name, samples, rate_hz, begins[0] / SPEECH_HZ, ends[0] / SPEECH_HZ)


def _first_at_s(client: RealtimeClient, type: str) -> float:
    first = client.call.first(type)
    if first is None:
        raise LookupError(f"the answer began without {type}")
    return first.at_s


async def wait_for_answer(url: str, clip: Clip) -> dict[str, float]:
    """Milliseconds from the last voiced sample to each step."""
    async with RealtimeClient(url) as client, anyio.create_task_group() as tasks:
        await client.show_transcripts()
        began_s = anyio.current_time()

        async def speak() -> None:
            await client.speak(clip.samples, clip.rate_hz)
            await client.stay_silent(30)

        tasks.start_soon(speak)
        await client.receive_until("response.output_audio.delta")
        tasks.cancel_scope.cancel()
    ended_s = began_s + clip.last_voiced_s
    found = {name: (_first_at_s(client, type) - ended_s) * 1000 for type, name in STEPS.items()}
    captions = [event.at_s for event in client.call.received if event.type in (CAPTION, TRANSCRIPT)]
    return found | {"first caption": (captions[0] - began_s - clip.first_voiced_s) * 1000}


async def main(paths: list[Path]) -> None:
    """Measure and print."""
    settings = load_settings({"port": 0}, env_file=None)
    clips = [clip for path in paths if (clip := read_clip(path))]
    rows = []
    async with load_providers(settings, print) as providers, App(settings, providers).listening() as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime"
        for clip in clips:
            rows.append(await wait_for_answer(url, clip))
            print(
                f"{clip.name:<22}" + "".join(f"{name} {ms:6.0f}   " for name, ms in rows[-1].items()),
                flush=True,
            )
    fixed = settings.turn_detection == "server_vad"
    floor_ms = settings.silence_duration_ms if fixed else EAGERNESS[settings.eagerness].min_ms
    print(f"\n{len(rows)} clips, ms after the last voiced sample; the floor is {floor_ms} ms")
    print(f"{'':<14}{'p50':>8}{'p95':>8}{'p50/floor':>12}")
    for name in STEPS.values():
        cuts = quantiles((row[name] for row in rows), n=20, method="inclusive")
        print(f"{name:<14}{cuts[9]:8.0f}{cuts[18]:8.0f}{cuts[9] / floor_ms:12.2f}")
    cuts = quantiles((row["first caption"] for row in rows), n=20, method="inclusive")
    print(f"first caption, ms after the first voiced sample: {cuts[9]:.0f} / {cuts[18]:.0f}")


if __name__ == "__main__":
    anyio.run(main, [Path(name) for name in sys.argv[1:]] or sorted(SPEECH.glob("*.wav")))
