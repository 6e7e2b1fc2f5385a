"""The agent's own voice in the microphone: how often it interrupts itself, and whether it answers itself.

Starts a server with the embedded models and a scripted agent that talks for a minute. Two clients, a stock one and one
of `voice.v1`, play what they get and send it back as their microphone, softer and a little later, as a loudspeaker in a
room without echo cancellation does.
"""

import argparse
from collections import deque
from typing import Any

import anyio
import numpy as np

from audio.formats import Samples
from server.app import App
from server.client.client import RealtimeClient
from server.config.choice import choose
from server.config.environment import load_settings
from server.config.providers import load_providers
from stages.testing.fakes import ScriptedModel

HZ = 24_000
STEP = HZ // 50
TALK = (
    "Hello. Thank you for calling. Let me tell you about our opening hours. From Monday to Friday we are open "
    "from nine to six, and on Saturday until one. Right. There are four doctors here, and two of them speak Spanish. "
    "Yes, you can come without an appointment, but then you may have to wait. No problem. Parking is behind the house. "
    "If you need a prescription, call before ten and it will be ready in the afternoon. Okay. One moment, please. "
    "For blood tests you should not eat anything in the morning. Water is fine. We will send you the results by mail. "
    "Is there anything else that you would like to know?"
)


class Room:
    """A loudspeaker and a microphone. Plain calls."""

    def __init__(self, attenuation_db: float, delay_ms: int) -> None:
        self._gain = 10 ** (-attenuation_db / 20)
        self._air = deque([np.zeros(STEP, np.int16)] * (delay_ms // 20))
        self._ahead = np.zeros(0, np.int16)
        self.is_held = False
        self.level = 1.0

    def queue(self, samples: Samples) -> None:
        """Audio that is to be played."""
        self._ahead = np.concatenate([self._ahead, samples])

    def flush(self) -> None:
        """Throw away what is not played yet."""
        self._ahead = self._ahead[:0]

    def step(self) -> Samples:
        """20 ms later: what the microphone hears."""
        sound = np.zeros(STEP)
        if not self.is_held:
            sound[: len(self._ahead[:STEP])] = self._ahead[:STEP] * self.level
            self._ahead = self._ahead[STEP:]
        noise = np.random.default_rng(len(self._ahead)).normal(0, 3, STEP)
        self._air.append((sound * self._gain + noise).astype(np.int16))
        return self._air.popleft()


def obey(room: Room, client: RealtimeClient, kind: str) -> None:
    """Do what the server says about the voice."""
    match kind:
        case "x_pause":
            room.is_held = True
        case "x_duck":
            room.level = 0.3
        case "x_resume":
            room.is_held, room.level = False, 1.0
        case "x_flush" | "input_audio_buffer.speech_started":
            room.is_held, room.level = False, 1.0
            room.flush()


def count(counts: dict[str, int], event: dict[str, Any]) -> None:
    """Note what has happened."""
    match event["type"]:
        case "response.created":
            counts["answers"] += 1
        case "response.done":
            counts["interrupted"] += event["response"]["status"] == "cancelled"
        case "x_pause":
            counts["holds"] += 1
        case "conversation.item.input_audio_transcription.completed":
            counts["turns of its own"] += bool(event["transcript"])


async def converse(url: str, seconds: float, attenuation_db: float, *, voice: bool) -> dict[str, int]:
    """Counts of what happened in so much time."""
    room = Room(attenuation_db, 160)
    counts = {"answers": 0, "interrupted": 0, "holds": 0, "turns of its own": 0}
    async with RealtimeClient(url, voice=voice) as client, anyio.create_task_group() as tasks:
        await client.show_transcripts()

        async def ask_again() -> None:
            await anyio.sleep(2)
            await client.send("response.create")

        async def listen() -> None:
            heard = 0
            while (seen := await client.receive()) is not None:
                for samples in client.call.audio[heard:]:
                    room.queue(samples)
                heard = len(client.call.audio)
                obey(room, client, seen.type)
                count(counts, seen.event)
                if seen.type == "response.done":
                    tasks.start_soon(ask_again)

        tasks.start_soon(listen)
        await client.send("response.create")
        with anyio.move_on_after(seconds):
            while True:
                await client.speak(room.step(), HZ)
        tasks.cancel_scope.cancel()
    return counts


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--db", type=float, default=20, help="how much softer the echo is")
    arguments = parser.parse_args()
    settings = load_settings({"port": 0, "llm": "echo"}, env_file=None)
    async with (
        load_providers(settings, print, choose(settings, given={"llm": ScriptedModel(TALK)})) as providers,
        App(settings, providers).listening() as server,
    ):
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime"
        for voice in (True, False):
            found = await converse(url, arguments.seconds, arguments.db, voice=voice)
            print("voice.v1" if voice else "stock   ", found, flush=True)


if __name__ == "__main__":
    anyio.run(main)
