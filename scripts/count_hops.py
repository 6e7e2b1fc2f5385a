"""How many files of the product a frame, a token, a barge-in and a call of a client's tool pass through.

Plays each in a session in virtual time and counts the files whose functions are entered meanwhile, by `sys.setprofile`:
all that runs between two moments of the story, telemetry and the event loop's own helpers included.

    .venv/bin/python scripts/count_hops.py          the numbers
    .venv/bin/python scripts/count_hops.py files    the files as well
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from stageflow.tools import ToolCall  # noqa: E402
from stages.testing.fakes import Conduct, Said  # noqa: E402
from tests.support.stage import Stage, play, speak  # noqa: E402

LONG = "Your table for four people is booked for eight tonight. I will send you a reminder an hour before."
TOOL = {"type": "function", "name": "look_up", "description": "Look it up.", "parameters": {"type": "object"}}
found: dict[str, set[str]] = {}


@contextmanager
def counted(name: str) -> Iterator[None]:
    """Count the files that are entered within."""
    files = found.setdefault(name, set())

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            files.add(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)


async def frame(stage: Stage) -> None:
    """Somebody is silent."""
    await speak(stage, 0.0, 0.5)
    with counted("a frame of the microphone"):
        await speak(stage, 0.0, 0.2)


async def token(stage: Stage) -> None:
    """An answer in text, one token after the other."""
    stage.wire.say("response.create", response={"output_modalities": ["text"]})
    await stage.wire.until("response.output_text.delta", 2)
    with counted("a token"):
        await stage.wire.until("response.output_text.delta", 3)


async def barge_in(stage: Stage) -> None:
    """Somebody talks over an answer, until the next one is asked of the model."""
    stage.ask("talk")
    await stage.wire.until("response.output_audio.delta", 2)
    with counted("a barge-in"):
        await speak(stage, 1.0, 0.0)
        await stage.wire.until("response.done")


async def tool_call(stage: Stage) -> None:
    """The model calls a tool of the client's, and speaks of what came of it."""
    stage.wire.say("session.update", session={"type": "realtime", "tools": [TOOL]})
    await stage.wire.until("session.updated")
    with counted("a call of a client's tool"):
        stage.ask("look it up")
        call = (await stage.wire.until("response.function_call_arguments.done"))["call_id"]
        await stage.wire.until("response.done")
        output = {"type": "function_call_output", "call_id": call, "output": "eight"}
        stage.wire.say("conversation.item.create", item=output)
        stage.wire.say("response.create")
        await stage.wire.until("response.done", 2)


def counts() -> dict[str, list[str]]:
    """Play each of them: the files of the product that it passes."""
    slow = Said(LONG, conduct=Conduct(gap_s=0.2))
    play(lambda: Stage("Hello."), frame)
    play(lambda: Stage(slow), token)
    play(lambda: Stage(LONG, "Yes?"), barge_in)
    play(lambda: Stage(Said("", (ToolCall("call_1", "look_up"),)), "It is eight."), tool_call)
    packages = tuple(f"{ROOT / name}/" for name in ("server", "stages", "stageflow", "audio"))
    return {
        name: sorted(path.removeprefix(f"{ROOT}/") for path in files if path.startswith(packages))
        for name, files in found.items()
    }


def main() -> None:
    """Print a table."""
    for name, files in counts().items():
        print(f"{name:28} {len(files):4}")
        if sys.argv[1:]:
            print(*(f"    {path}" for path in files), sep="\n")


if __name__ == "__main__":
    main()
