"""`stageflow-voice talk`: talk to a running server by microphone, or let it hear a file and keep what it says."""

import argparse
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio

from server.client.address import session_url
from server.client.captions import Captions
from server.client.keeping import check_place
from server.client.plan import Plan
from server.client.recital import hold
from server.domain.errors import ServerError

_BY_FILE_OR_TEXT = ("out", "barge_in_after", "transcript", "max_wait", "json")
_BY_MICROPHONE = ("input_device", "output_device", "list_devices", "headphones")

_EXAMPLES = """examples:
  stageflow-voice talk                                         by microphone; Ctrl-C ends
  stageflow-voice talk question.wav --out answer.wav           a file, and the answer to it
  stageflow-voice talk *.wav --url host:port --max-wait 800ms  a smoke test: code 1 if one is not answered in time
  stageflow-voice talk --text "What time is it?" --json        without any sound, for programs"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to say, to whom, and where to keep the answer."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "audio",
        type=Path,
        nargs="*",
        metavar="FILE",
        help="audio files, each played in real time when the one before is answered; without one, your microphone",
    )
    parser.add_argument(
        "--url", default="ws://127.0.0.1:8080/v1/realtime", help="the server (default: %(default)s)"
    )
    parser.add_argument("--api-key", metavar="KEY", help="the server's key, if it wants one")
    parser.add_argument(
        "--text", action="append", help="type this instead of speaking; may be given several times"
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="WAV",
        help="write both sides to this wav file: you left, the agent right",
    )
    _file_arguments(parser)
    _microphone_arguments(parser)


def _file_arguments(parser: argparse.ArgumentParser) -> None:
    file = parser.add_argument_group("with a file or a text")
    file.add_argument(
        "--out", type=Path, metavar="WAV", help="write the answer to this wav file, as it comes"
    )
    file.add_argument("--transcript", type=Path, metavar="TXT", help="write what was said to this text file")
    file.add_argument("--json", action="store_true", help="print one JSON object a line, for programs")
    file.add_argument(
        "--barge-in-after",
        type=_ms,
        metavar="TIME",
        help="say each file again so long after its answer begins: 800ms",
    )
    file.add_argument(
        "--timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how many seconds to wait for the answer (default: %(default)g)",
    )
    file.add_argument(
        "--max-wait",
        type=_ms,
        metavar="TIME",
        help="end with code 1 when an answer takes longer to begin: 800ms, 1s",
    )


def _microphone_arguments(parser: argparse.ArgumentParser) -> None:
    live = parser.add_argument_group("with the microphone")
    live.add_argument("--input-device", metavar="DEVICE", help="number, or a part of the name")
    live.add_argument("--output-device", metavar="DEVICE", help="the same for the loudspeaker")
    live.add_argument(
        "--headphones", action="store_true", help="the microphone cannot hear the loudspeaker: cancel no echo"
    )
    live.add_argument("--list-devices", action="store_true", help="show what there is, and end")


def run(arguments: argparse.Namespace) -> int:
    """Talk; 0 when all went well, 1 when nothing was said back, the server went away, or nobody reads what is printed.

    Raises ServerError when it cannot begin.
    """
    arguments.url = session_url(arguments.url)
    if arguments.audio and arguments.text:
        raise ServerError("--text goes without an audio file: one of them is said")
    by_microphone = not arguments.audio and not arguments.text
    if by_microphone:
        _refuse(arguments, _BY_FILE_OR_TEXT, "an audio file or --text; without one, your microphone is used")
    else:
        _refuse(arguments, _BY_MICROPHONE, "your microphone, which is not used with an audio file or --text")
    if arguments.text:
        _refuse(arguments, ("barge_in_after",), "an audio file: a text interrupts nobody")
    code = 1
    try:
        code = _by_microphone(arguments) if by_microphone else anyio.run(hold, Plan.of(arguments), _say)
        sys.stdout.flush()
    except* BrokenPipeError:
        # Python flushes once more at the end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(
            "stageflow-voice: nobody reads what is printed here; the conversation has ended", file=sys.stderr
        )
    return code


def _by_microphone(arguments: argparse.Namespace) -> int:
    from server.client.conversation import TalkPlan, converse
    from server.client.sound import list_devices

    if arguments.list_devices:
        print(list_devices())
        return 0
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    if arguments.record is not None:
        check_place("--record", arguments.record)
    wish = TalkPlan(
        arguments.url,
        arguments.api_key,
        arguments.input_device,
        arguments.output_device,
        arguments.record,
        arguments.headphones,
    )
    return anyio.run(converse, wish, Captions(lambda text: print(text, end="", flush=True), columns))


def _refuse(arguments: argparse.Namespace, options: Sequence[str], goes_with: str) -> None:
    """Raises ServerError if one of these options was given."""
    for option in options:
        value = getattr(arguments, option)
        if value is not None and value is not False:
            raise ServerError(f"--{option.replace('_', '-')} goes with {goes_with}")


def _ms(text: str) -> int:
    match = re.fullmatch(r"(\d+)(?:ms)?|(\d+(?:\.\d+)?)s", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 800ms or 1.5s")
    return int(match[1]) if match[1] else round(float(match[2]) * 1000)


def _say(line: str) -> None:
    print(line, flush=True)
