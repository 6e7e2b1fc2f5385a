"""`stageflow-voice talk`: talk to a running server by microphone, or let it hear a file and keep what it says."""

import argparse
import re
import shutil
import sys
from pathlib import Path

import anyio
from websockets.exceptions import InvalidHandshake

from audio.files import read_audio, write_wav
from audio.formats import Samples
from server.client import WIRE_HZ, RealtimeClient, Received, unreachable
from server.errors import ServerError
from server.talk.captions import Captions

EVENT_NAMES = {
    "input_audio_buffer.speech_stopped": "end of turn",
    "conversation.item.input_audio_transcription.completed": "transcript",
    "response.output_audio_transcript.delta": "first token",
    "response.output_audio.delta": "first audio",
    "response.done": "all sent",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to say, to whom, and where to keep the answer."""
    parser.add_argument(
        "audio", type=Path, nargs="?", help="an audio file, played in real time; without one, your microphone"
    )
    parser.add_argument("--url", default="ws://127.0.0.1:8080/v1/realtime", help="the server")
    parser.add_argument("--api-key", help="the server's key, if it wants one")
    file = parser.add_argument_group("with a file")
    file.add_argument("--out", type=Path, help="write the answer to this wav file")
    file.add_argument(
        "--barge-in-after", type=_ms, help="say it again so long after the answer begins: 800ms"
    )
    file.add_argument("--timeout", type=float, default=30.0, help="seconds to wait for the answer")
    live = parser.add_argument_group("with the microphone")
    live.add_argument("--input-device", metavar="DEVICE", help="number, or a part of the name")
    live.add_argument("--output-device", metavar="DEVICE", help="the same for the loudspeaker")
    live.add_argument("--list-devices", action="store_true", help="show what there is, and end")


def run(arguments: argparse.Namespace) -> int:
    """Talk; 0 when all went well, 1 when nothing was said back, or the server went away."""
    if arguments.audio is not None:
        return anyio.run(_talk, arguments)
    from server.talk.conversation import Wish, converse
    from server.talk.sound import list_devices

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
    match = re.fullmatch(r"(\d+)(ms)?", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 800ms")
    return int(match[1])


async def _talk(arguments: argparse.Namespace) -> int:
    samples, rate_hz = read_audio(arguments.audio)
    client = RealtimeClient(arguments.url, api_key=arguments.api_key)
    try:
        async with client:
            await client.show_transcripts()
            async with anyio.create_task_group() as tasks:
                barge_in = anyio.Event()
                tasks.start_soon(_speak, client, samples, rate_hz, barge_in)
                with anyio.fail_after(len(samples) / rate_hz + arguments.timeout):
                    await _listen(client, arguments.barge_in_after, barge_in)
                tasks.cancel_scope.cancel()
    except (OSError, InvalidHandshake) as error:
        raise unreachable(arguments.url, error) from error
    except TimeoutError:
        print(f"no answer within {arguments.timeout:g} s")
    heard = client.call.samples()
    if arguments.out is not None and len(heard):
        write_wav(arguments.out, heard, WIRE_HZ)
        print(f"answer: {len(heard) / WIRE_HZ:.1f} s in {arguments.out}")
    _print_waterfall(client)
    return 0 if len(heard) else 1


async def _speak(client: RealtimeClient, samples: Samples, rate_hz: int, barge_in: anyio.Event) -> None:
    """The question, silence, and once more the question when it is time to interrupt; then silence for ever."""
    await client.speak(samples, rate_hz)
    while not barge_in.is_set():
        await client.stay_silent(0.1)
    await client.speak(samples, rate_hz)
    while True:
        await client.stay_silent(0.1)


async def _listen(client: RealtimeClient, barge_in_after_ms: int | None, barge_in: anyio.Event) -> None:
    answers_left = 1 if barge_in_after_ms is None else 2
    async with anyio.create_task_group() as tasks:

        async def interrupt(delay_ms: int) -> None:
            await anyio.sleep(delay_ms / 1000)
            print("       (barging in)")
            barge_in.set()

        while answers_left and (seen := await client.receive()) is not None:
            _print(seen)
            began = seen.type == "response.output_audio.delta" and len(client.call.audio) == 1
            if began and barge_in_after_ms is not None:
                tasks.start_soon(interrupt, barge_in_after_ms)
            if seen.type == "response.done":
                answers_left -= 1


def _print(seen: Received) -> None:
    match seen.event:
        case {"type": "conversation.item.input_audio_transcription.delta", "delta": delta}:
            print(f"  ...  {delta.strip()}")
        case {"type": "conversation.item.input_audio_transcription.completed", "transcript": text}:
            print(f"  you: {text}")
        case {"type": "response.output_audio_transcript.done", "transcript": text}:
            print(f"agent: {text}")
        case {"type": "response.done", "response": {"status": status}} if status != "completed":
            print(f"       ({status})")
        case {"type": "error", "error": {"message": message}}:
            print(f"error: {message}")


def _print_waterfall(client: RealtimeClient) -> None:
    stopped = client.call.first("input_audio_buffer.speech_stopped")
    if stopped is None:
        return
    print("since the server heard the end of the turn:")
    for type, name in EVENT_NAMES.items():
        seen = client.call.first(type)
        if seen is not None:
            print(f"  {name:<12}{(seen.at_s - stopped.at_s) * 1000:6.0f} ms")
