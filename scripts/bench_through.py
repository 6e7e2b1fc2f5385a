"""How many words are misread through the whole server: prompts of a person, spoken over a real socket in real time.

Half of the prompts of `scripts/turn_set.py`'s first speaker are taken, by their names: those by which no wait of the
server was chosen. Detector, endpointing and recogniser are the embedded ones; the server is asked for no answers, so
that nobody talks over anybody.
"""

import sys
import tempfile
import zlib
from pathlib import Path

import anyio
from turn_set import SPEAKERS, cache_folder, prompts, transcripts, unpack

from audio.files import read_audio
from server.app import App
from server.client.client import RealtimeClient
from server.config.environment import load_settings
from server.config.providers import load_providers
from stages.testing.wer import word_errors

TRANSCRIPT = "conversation.item.input_audio_transcription.completed"
DONE = (TRANSCRIPT, "conversation.item.input_audio_transcription.failed")
AT_ONCE = 2
"""Callers: one a core."""
QUIET_S = 3.0
"""Silence behind a prompt: longer than any wait for its end."""


def unseen() -> list[tuple[Path, str]]:
    """The recordings of the test half, and what they say."""
    speaker = SPEAKERS[0]
    with tempfile.TemporaryDirectory() as folder:
        unpack("asterisk-core-sounds-en", Path(folder))
        texts = transcripts(Path(folder), "en")
    by_name = {name.replace("/", "_"): text for name, text in texts.items()}
    named = [(path, path.stem.rpartition(".")[0]) for path, _ in prompts(cache_folder(), speaker)]
    half = [(path, by_name[name]) for path, name in named if zlib.crc32(path.stem.encode()) % 2]
    return [(path, text) for path, text in half if not text.startswith("...")]  # the second half of something


async def heard(url: str, path: Path) -> str:
    """What the server hears of a prompt."""
    samples, rate_hz = read_audio(path)
    async with RealtimeClient(url) as client, anyio.create_task_group() as tasks:
        await client.show_transcripts()
        hear = {"turn_detection": {"type": "semantic_vad", "create_response": False}}
        await client.send("session.update", session={"type": "realtime", "audio": {"input": hear}})

        async def speak() -> None:
            await client.speak(samples, rate_hz)
            await client.stay_silent(QUIET_S)
            while client.call.count("input_audio_buffer.committed") > sum(map(client.call.count, DONE)):
                await client.stay_silent(0.1)
            tasks.cancel_scope.cancel()

        tasks.start_soon(speak)
        while await client.receive() is not None:
            pass
    return " ".join(event.event["transcript"] for event in client.call.received if event.type == TRANSCRIPT)


async def main(most: int) -> None:
    """Measure and print."""
    settings = load_settings({"port": 0}, env_file=None)
    spoken = unseen()[:most]
    found = [""] * len(spoken)
    rest = iter(range(len(spoken)))

    async def call(url: str) -> None:
        for at in rest:
            found[at] = await heard(url, spoken[at][0])
            if word_errors([spoken[at][1]], [found[at]]).errors:
                print(f"  {spoken[at][1]!r} was read as {found[at]!r}", flush=True)

    async with load_providers(settings, print) as providers, App(settings, providers).listening() as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime"
        async with anyio.create_task_group() as calls:
            for _ in range(AT_ONCE):
                calls.start_soon(call, url)
    wrong = word_errors([text for _, text in spoken], found)
    print(f"{len(spoken)} prompts: {100 * wrong.rate:.1f} % of {wrong.words} words misread")


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 60)
