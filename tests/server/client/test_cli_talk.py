"""`stageflow-voice talk` says what is missing and what to do before the first word, and what a conversation took."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio.to_thread
import numpy as np
import pytest
import soundfile

from audio.files import read_audio, write_wav
from server.__main__ import main
from stages.testing.fakes import EchoModel
from tests.support.audio_maker import SPEECH_DIR
from tests.support.certificate import self_signed
from tests.support.cutting_proxy import Cut, cutting_proxy
from tests.support.live_server import live_server
from tests.support.patience import PATIENCE_S

NOBODY = "ws://127.0.0.1:1/"
CLIP = str(SPEECH_DIR / "cards_001.wav")
TALK = [sys.executable, "-m", "server", "talk"]


def talk(*words: str, **environment: str) -> str:
    """What it complains about."""
    done = subprocess.run(
        [*TALK, *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`talk` in this process, where what is complained about hangs on nothing of a process of its own."""

    def of(*words: str) -> str:
        code, said = main(["talk", *words]), capsys.readouterr()
        assert (code, said.out) == (1, "")
        (line,) = said.err.splitlines()
        return line

    return of


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


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--barge-in-after", "800ms"), "--barge-in-after goes with an audio file or --text;"),
        (("--json",), "--json goes with an audio file or --text;"),
        (("--text", "hi", "--barge-in-after", "0ms"), "--barge-in-after goes with an audio file:"),
        (("--text", "hi", "--input-device", "1"), "--input-device goes with your microphone,"),
        ((CLIP, "--list-devices"), "--list-devices goes with your microphone,"),
    ],
)
def test_what_would_be_ignored_is_refused(
    words: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["talk", *words, "--url", "ws://127.0.0.1:1/"]) == 1
    assert complaint in capsys.readouterr().err


def test_a_server_that_is_not_there_is_named(refusal: Callable[..., str]) -> None:
    assert "no server at ws://127.0.0.1:1/" in refusal(CLIP, "--url", NOBODY)


async def test_a_server_that_refuses_is_quoted() -> None:
    async with live_server(api_keys="secret") as server:
        said = await anyio.to_thread.run_sync(lambda: talk(CLIP, "--url", server.url, "--api-key", "guess"))
    assert said.endswith(
        f"the server at {server.url} refused: 401 The API key is missing or wrong. Give it with --api-key."
    )


@pytest.mark.parametrize(
    ("file", "reason"), [("nofile.wav", "No such file or directory"), ("README.md", "Format not recognised")]
)
def test_a_file_that_is_no_recording_is_named(file: str, reason: str, refusal: Callable[..., str]) -> None:
    assert f"{file}: {reason}; name a recording, such as a WAV" in refusal(file)


def test_where_the_answer_cannot_be_kept_is_said_before_the_conversation(
    tmp_path: Path, refusal: Callable[..., str]
) -> None:
    nowhere = tmp_path / "nowhere" / "answer.wav"
    assert f"make it first: mkdir -p {tmp_path}/nowhere" in refusal(
        CLIP, "--out", str(nowhere), "--url", NOBODY
    )
    assert "this is a folder; name a file in it" in refusal(CLIP, "--out", str(tmp_path), "--url", NOBODY)


def test_an_address_that_is_none_is_refused(refusal: Callable[..., str]) -> None:
    assert "'gopher://x' is not the address of a server, such as ws://" in refusal(
        CLIP, "--url", "gopher://x"
    )


async def test_who_stops_reading_ends_the_conversation(tmp_path: Path) -> None:
    """The address is the one that the server prints."""
    reader, writer = os.pipe()
    os.close(reader)
    async with live_server() as server:
        done = await anyio.run_process(
            [*TALK, CLIP, "--url", f"http://127.0.0.1:{server.port}/"], stdout=writer, check=False
        )
    os.close(writer)
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert line.endswith("nobody reads what is printed here; the conversation has ended")


async def test_a_server_that_does_not_answer_is_waited_for_so_long_and_no_longer() -> None:
    async with live_server() as server:
        words = [*TALK, CLIP, "--url", server.url, "--timeout", "0"]
        done = await anyio.run_process(words, check=False)
    assert (done.returncode, done.stderr) == (1, b"")
    assert "no answer within 0 s\n" in done.stdout.decode()


async def complaint(*words: str, **environment: str) -> str:
    """What it complains about to a server of this process."""
    return await anyio.to_thread.run_sync(lambda: talk(CLIP, *words, **environment))


async def test_a_certificate_is_trusted_by_the_variable_that_is_named(tmp_path: Path) -> None:
    made = await anyio.to_thread.run_sync(self_signed, tmp_path)
    async with live_server(**made.settings()) as server:
        secure = f"https://127.0.0.1:{server.port}/"
        said = await complaint("--url", secure)
        assert (
            "is not trusted (self-signed certificate); if it is yours, trust it: SSL_CERT_FILE=cert.pem"
            in said
        )
        environment = os.environ | {"SSL_CERT_FILE": str(made.cert_file)}
        done = await anyio.run_process([*TALK, CLIP, "--url", secure], env=environment, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
    async with live_server(**made.settings(), host="127.0.0.2") as server:
        other = await complaint("--url", f"wss://127.0.0.2:{server.port}", SSL_CERT_FILE=str(made.cert_file))
        assert "is not for this address (IP address mismatch" in other


async def test_who_is_asked_without_tls_and_who_with_it_is_told_apart(tmp_path: Path) -> None:
    made = await anyio.to_thread.run_sync(self_signed, tmp_path)
    async with live_server(**made.settings()) as server:
        said = await complaint("--url", server.url)
        assert said.endswith(f"does not answer without TLS; try wss://127.0.0.1:{server.port}/v1/realtime")
    async with live_server() as server:
        said = await complaint("--url", f"wss://127.0.0.1:{server.port}")
        assert said.endswith(f"does not speak TLS; try ws://127.0.0.1:{server.port}/v1/realtime")


async def test_after_an_interruption_the_last_answer_is_told_and_how_soon_the_first_was_silent() -> None:
    async with live_server(EchoModel("One two three four five six seven eight nine. ")) as server:
        words = [*TALK, CLIP, "--url", server.url, "--barge-in-after", "0.5s"]
        done = await anyio.run_process(words, check=False)
    said = done.stdout.decode()
    assert "(cancelled)" in said
    assert "answer 2 of 2, since the last voiced sample was sent:" in said
    assert re.search(r"of the interruption was sent:\n  last audio +-?\d+ ms\n  all over", said)


async def test_a_recording_is_heard_to_its_end_and_every_wait_is_told(tmp_path: Path) -> None:
    def said_twice() -> Path:
        clip, rate_hz = read_audio(CLIP)
        pause = np.zeros(4 * rate_hz, np.int16)
        write_wav(tmp_path / "twice.wav", np.concatenate([clip, pause, clip]), rate_hz)
        return tmp_path / "twice.wav"

    twice = await anyio.to_thread.run_sync(said_twice)
    async with live_server(EchoModel("Yes. ")) as server:
        done = await anyio.run_process([*TALK, str(twice), "--url", server.url], check=False)
    said = done.stdout.decode()
    assert (done.returncode, said.count("agent: Yes.")) == (0, 2), said
    waits = re.findall(
        r"answer \d of 2, since the last voiced sample was sent:\n  end of turn +(\d+) ms", said
    )
    assert len(waits) == 2, said
    assert min(map(int, waits)) >= 100, "a turn cannot end with its last sample"


async def test_several_recordings_are_each_answered_and_one_that_fails_is_named_at_the_end_too(
    tmp_path: Path,
) -> None:
    def quiet_and_broken() -> list[str]:
        rate_hz = 16_000
        write_wav(tmp_path / "quiet.wav", np.zeros(rate_hz // 2, np.int16), rate_hz)
        (tmp_path / "broken.wav").write_text("no sound")
        return [str(tmp_path / "broken.wav"), CLIP, str(tmp_path / "quiet.wav"), CLIP]

    files = await anyio.to_thread.run_sync(quiet_and_broken)
    async with live_server(EchoModel("Yes. ")) as server:
        words = [*TALK, *files, "--url", server.url, "--timeout", "5"]
        done = await anyio.run_process(words, check=False)
    said = done.stdout.decode()
    assert done.returncode == 1
    assert said.startswith(f"left out: {tmp_path}/broken.wav: Format not recognised; name a recording")
    assert said.count("agent: Yes.") == 2, said
    assert "quiet.wav: no answer within 5 s\ncards_001.wav:\n" in said


async def test_a_conversation_by_files_goes_on_when_the_line_was_lost() -> None:
    async with (
        live_server(EchoModel("Yes. "), resume_grace_s=20.0) as server,
        cutting_proxy(server.port, lambda: None if proxy.cuts else Cut("up", 60_000, "reset")) as proxy,
    ):
        words = [*TALK, CLIP, "--url", f"127.0.0.1:{proxy.port}"]
        done = await anyio.run_process(words, check=False)
    said = done.stdout.decode()
    assert done.returncode == 0, said
    assert "the line was lost" in said
    assert "the line is back" in said
    assert said.count("agent: Yes.") == 1


@pytest.mark.parametrize(("max_wait", "code"), [("1ms", 1), ("20s", 0)])
async def test_an_answer_that_is_waited_for_too_long_is_a_failure(max_wait: str, code: int) -> None:
    async with live_server(EchoModel("Yes. ")) as server:
        words = [*TALK, CLIP, "--url", f"127.0.0.1:{server.port}", "--max-wait", max_wait]
        done = await anyio.run_process(words, check=False)
    said = done.stdout.decode()
    assert done.returncode == code, said
    assert ("too slow: an answer began after" in said) == bool(code)


async def test_a_text_is_answered_without_a_sound_card_and_everything_is_kept(tmp_path: Path) -> None:
    out, record, transcript = (tmp_path / name for name in ("out.wav", "both.wav", "said.txt"))
    async with live_server() as server:
        words = [
            *TALK,
            "--url",
            f"127.0.0.1:{server.port}",
            "--json",
            "--text",
            "good morning",
            "--text",
            "hello",
        ]
        kept = ["--out", str(out), "--record", str(record), "--transcript", str(transcript)]
        done = await anyio.run_process([*words, *kept], check=False)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, told
    assert [(line["who"], line["text"]) for line in told if line["type"] == "said"] == [
        ("you", "good morning"),
        ("agent", "You said: good morning"),
        ("you", "hello"),
        ("agent", "You said: hello"),
    ]
    turns = [line for line in told if line["type"] == "turn"]
    assert [turn["since"] for turn in turns] == ["text", "text"]
    assert all(turn["wait_ms"] > 0 for turn in turns)
    assert told[-1]["type"] == "end"
    assert told[-1]["ok"]
    text = await anyio.Path(transcript).read_text()
    assert text.splitlines()[1] == "agent: You said: good morning"

    def channels() -> tuple[int, int, int]:
        both = soundfile.info(record)
        return soundfile.info(out).frames, both.channels, both.frames

    answer, sides, length = await anyio.to_thread.run_sync(channels)
    assert answer == round(told[-1]["answer_s"] * 24_000)
    assert sides == 2
    assert length >= answer


async def test_both_sides_of_a_recording_are_kept_in_two_channels(tmp_path: Path) -> None:
    record = tmp_path / "both.wav"
    async with live_server(EchoModel("Yes. ")) as server:
        done = await anyio.run_process(
            [*TALK, CLIP, "--url", server.url, "--record", str(record)], check=False
        )
    assert done.returncode == 0, done.stdout.decode()

    def first_sounds() -> list[int]:
        both, _ = soundfile.read(record, dtype="int16")
        return [int(np.flatnonzero(np.abs(side) > 500)[0]) for side in both.T]

    person, agent = await anyio.to_thread.run_sync(first_sounds)
    assert person < agent, "the answer lies behind the question"


def test_the_help_names_what_is_taken_when_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["talk", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "the server (default: ws://127.0.0.1:8080/v1/realtime)" in said
    assert "wait for the answer (default: 30)" in said


@pytest.mark.parametrize(("command", "takes"), [("serve", "--port"), ("talk", "--barge-in-after")])
def test_an_option_that_is_none_shows_what_the_command_takes(
    command: str, takes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--prot", "1"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"usage: stageflow-voice {command} ")
    assert takes in said
    assert "unrecognized arguments: --prot" in said
