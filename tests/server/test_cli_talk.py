"""`stageflow-voice talk` says what is missing, and what to do, before the first word."""

import os
import subprocess
import sys
from pathlib import Path

import anyio.to_thread
import pytest

from tests.support.audio_maker import SPEECH_DIR
from tests.support.live_server import live_server

CLIP = str(SPEECH_DIR / "cards_001.wav")


def talk(*words: str, **environment: str) -> str:
    """What it complains about."""
    done = subprocess.run(
        [sys.executable, "-m", "server", "talk", *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        ("ImportError('no module')", "run `scripts/setup mic`, or `pip install 'stageflow-voice[mic]'`"),
        ("OSError('PortAudio library not found')", "`sudo apt install libportaudio2`"),
    ],
)
def test_what_the_microphone_needs_is_named(fault: str, remedy: str, tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text(f"raise {fault}\n")
    assert remedy in talk(PYTHONPATH=str(tmp_path))


def test_what_goes_with_a_file_alone_is_refused_without_one() -> None:
    assert "--out and --barge-in-after go with an audio file" in talk("--barge-in-after", "800ms")


def test_a_server_that_is_not_there_is_named() -> None:
    assert "no server at ws://127.0.0.1:1/" in talk(CLIP, "--url", "ws://127.0.0.1:1/")


async def test_a_server_that_refuses_is_quoted() -> None:
    async with live_server(api_keys="secret") as server:
        said = await anyio.to_thread.run_sync(lambda: talk(CLIP, "--url", server.url, "--api-key", "guess"))
    assert said.endswith(f"the server at {server.url} refused: 401 The API key is missing or wrong.")
