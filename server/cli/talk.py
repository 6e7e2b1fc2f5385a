"""`stageflow-voice talk`: talk to a running server by microphone, or let it hear a file and keep what it says."""

import argparse
import os
import re
import shutil
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from websockets.exceptions import ConnectionClosed, WebSocketException

from audio.errors import AudioFileError
from audio.files import read_audio, write_wav
from audio.formats import Samples
from server.client.address import session_url, unreachable
from server.client.captions import Captions
from server.client.client import FRAME_MS, WIRE_HZ, RealtimeClient, Received
from server.client.exchange import Exchange
from server.client.waterfall import AUDIO, interruption, voiced_s, waits_ms, waterfall
from server.domain.errors import ServerError

SETTLE_S = 1.0
"""Silence after the recording, before it can be said that all is answered: the server may not have noticed its end."""


@dataclass(slots=True)
class _Speech:
    """What is said, and when it was."""

    samples: Samples
    rate_hz: int
    barge_in_after_ms: int | None
    voiced_s: list[tuple[float, float]]
    """Where voice begins and ends in the samples."""
    interrupts: anyio.Event = field(default_factory=anyio.Event)
    """Set when it is time to interrupt the answer."""
    ends_s: list[float] = field(default_factory=list)
    """When the last sample of each stretch of voice had been sent."""
    interrupted_at_s: float | None = None
    """When the first voiced sample of the interruption was sent."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to say, to whom, and where to keep the answer."""
    parser.add_argument(
        "audio", type=Path, nargs="?", help="an audio file, played in real time; without one, your microphone"
    )
    parser.add_argument(
        "--url", default="ws://127.0.0.1:8080/v1/realtime", help="the server (default: %(default)s)"
    )
    parser.add_argument("--api-key", help="the server's key, if it wants one")
    file = parser.add_argument_group("with a file")
    file.add_argument("--out", type=Path, help="write the answer to this wav file")
    file.add_argument(
        "--barge-in-after", type=_ms, help="say it again so long after the answer begins: 800ms"
    )
    file.add_argument(
        "--timeout", type=float, default=30.0, help="seconds to wait for the answer (default: %(default)g)"
    )
    file.add_argument(
        "--max-wait", type=_ms, metavar="TIME", help="fail when an answer takes longer to begin: 800ms, 1s"
    )
    live = parser.add_argument_group("with the microphone")
    live.add_argument("--input-device", metavar="DEVICE", help="number, or a part of the name")
    live.add_argument("--output-device", metavar="DEVICE", help="the same for the loudspeaker")
    live.add_argument("--list-devices", action="store_true", help="show what there is, and end")


def run(arguments: argparse.Namespace) -> int:
    """Talk; 0 when all went well, 1 when nothing was said back, the server went away, or nobody reads what is printed.

    Raises ServerError when it cannot begin.
    """
    arguments.url = session_url(arguments.url)
    code = 1
    try:
        code = _by_microphone(arguments) if arguments.audio is None else _by_file(arguments)
        sys.stdout.flush()
    except* BrokenPipeError:
        # Python flushes once more at the end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(
            "stageflow-voice: nobody reads what is printed here; the conversation has ended", file=sys.stderr
        )
    return code


def _by_file(arguments: argparse.Namespace) -> int:
    try:
        samples, rate_hz = read_audio(arguments.audio)
    except AudioFileError as error:
        raise ServerError(
            f"{str(error).rstrip('.')}; name a recording, such as a WAV, FLAC, Ogg or MP3 file"
        ) from error
    if arguments.out is not None:
        _check_out(arguments.out)
    return anyio.run(
        _talk, arguments, _Speech(samples, rate_hz, arguments.barge_in_after, voiced_s(samples, rate_hz))
    )


def _check_out(path: Path) -> None:
    """Raises ServerError where the answer could not be kept."""
    if not path.parent.is_dir():
        raise ServerError(
            f"--out {path}: there is no folder {path.parent}; make it first: mkdir -p {path.parent}"
        )
    if path.is_dir():
        raise ServerError(f"--out {path}: this is a folder; name a file in it, such as {path / 'answer.wav'}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ServerError(f"--out {path}: you may not write there; name another place")


def _by_microphone(arguments: argparse.Namespace) -> int:
    from server.client.conversation import Wish, converse
    from server.client.sound import list_devices

    if arguments.out is not None or arguments.barge_in_after is not None:
        raise ServerError(
            "--out and --barge-in-after go with an audio file; without one, your microphone is used"
        )
    if arguments.list_devices:
        print(list_devices())
        return 0
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    wish = Wish(arguments.url, arguments.api_key, arguments.input_device, arguments.output_device)
    return anyio.run(converse, wish, Captions(lambda text: print(text, end="", flush=True), columns))


def _ms(text: str) -> int:
    match = re.fullmatch(r"(\d+)(?:ms)?|(\d+(?:\.\d+)?)s", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 800ms or 1.5s")
    return int(match[1]) if match[1] else round(float(match[2]) * 1000)


async def _talk(arguments: argparse.Namespace, speech: _Speech) -> int:
    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(RealtimeClient(arguments.url, api_key=arguments.api_key))
        except (OSError, WebSocketException) as error:
            raise unreachable(arguments.url, error) from error
        with anyio.move_on_after(len(speech.samples) / speech.rate_hz + arguments.timeout) as patience:
            await _converse(client, speech)
        if patience.cancelled_caught:
            _say(f"no answer within {arguments.timeout:g} s")
        closed = client.close_code is not None
        if closed:
            _say(f"the server has closed: {client.close_code} {client.close_reason or ''}".rstrip())
    heard = client.call.samples()
    if arguments.out is not None and len(heard):
        _keep(heard, arguments.out)
        _say(f"answer: {len(heard) / WIRE_HZ:.1f} s in {arguments.out}")
    lines = waterfall(client.call.received, speech.ends_s)
    if speech.interrupted_at_s is not None:
        lines += interruption(client.call.received, speech.interrupted_at_s)
    for line in lines:
        _say(line)
    return 0 if len(heard) and not closed and not _is_too_slow(client, speech, arguments.max_wait) else 1


def _is_too_slow(client: RealtimeClient, speech: _Speech, max_wait_ms: int | None) -> bool:
    """Whether an answer was waited for longer than is allowed, which is said."""
    longest_ms = max(waits_ms(client.call.received, speech.ends_s), default=0.0)
    if max_wait_ms is None or longest_ms <= max_wait_ms:
        return False
    _say(f"too slow: an answer began after {longest_ms:.0f} ms, and --max-wait is {max_wait_ms} ms")
    return True


def _keep(heard: Samples, path: Path) -> None:
    try:
        write_wav(path, heard, WIRE_HZ)
    except AudioFileError as error:
        raise ServerError(f"--out: {error}; the answer is not kept") from error


async def _converse(client: RealtimeClient, speech: _Speech) -> None:
    """Speak and listen, until all is said and answered, or the server closes."""
    exchange = Exchange()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_speak, client, speech, exchange, tasks.cancel_scope)
        await _listen(client, speech, exchange)
        tasks.cancel_scope.cancel()


async def _speak(
    client: RealtimeClient, speech: _Speech, exchange: Exchange, conversation: anyio.CancelScope
) -> None:
    """The recording, silence, and once more the recording when it is time to interrupt; then silence until all is
    answered, which ends the conversation."""
    with suppress(ConnectionClosed):  # which the listener tells
        await client.show_transcripts()
        began_s = await client.speak(speech.samples, speech.rate_hz)
        speech.ends_s += [began_s + end_s for _, end_s in speech.voiced_s]
        if speech.barge_in_after_ms is not None:
            while not speech.interrupts.is_set():
                await client.stay_silent(FRAME_MS / 1000)
            began_s = await client.speak(speech.samples, speech.rate_hz)
            speech.ends_s += [began_s + end_s for _, end_s in speech.voiced_s]
            speech.interrupted_at_s = began_s + next((onset_s for onset_s, _ in speech.voiced_s), 0.0)
        await client.stay_silent(SETTLE_S)
        while not exchange.is_settled:
            await client.stay_silent(FRAME_MS / 1000)
        conversation.cancel()


async def _listen(client: RealtimeClient, speech: _Speech, exchange: Exchange) -> None:
    async with anyio.create_task_group() as tasks:

        async def interrupt(delay_ms: int) -> None:
            await anyio.sleep(delay_ms / 1000)
            _say("       (barging in)")
            speech.interrupts.set()

        while (seen := await client.receive()) is not None:
            exchange.take(seen.event)
            _print(seen)
            began = seen.type == AUDIO and len(client.call.audio) == 1
            if began and speech.barge_in_after_ms is not None:
                tasks.start_soon(interrupt, speech.barge_in_after_ms)


def _print(seen: Received) -> None:
    match seen.event:
        case {"type": "conversation.item.input_audio_transcription.delta", "delta": delta}:
            _say(f"  ...  {delta.strip()}")
        case {"type": "conversation.item.input_audio_transcription.completed", "transcript": text}:
            _say(f"  you: {text}")
        case {"type": "response.output_audio_transcript.done", "transcript": text}:
            _say(f"agent: {text}")
        case {"type": "response.done", "response": {"status": status}} if status != "completed":
            _say(f"       ({status})")
        case {"type": "error", "error": {"message": message}}:
            _say(f"error: {message}")


def _say(text: str) -> None:
    print(text, flush=True)
