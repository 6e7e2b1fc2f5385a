"""The recordings that README and the server propose are understood and answered by the server as it comes."""

import os
import re
import sys

import anyio
import pytest

from tests.e2e.test_conversation import server
from tests.support.snippets import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.models]

EXAMPLES = ROOT / "docs" / "examples"


async def talk(*words: str) -> str:
    """What is printed of a conversation that goes well."""
    async with server() as (url, _):
        command = [sys.executable, "-m", "server", "talk", *words, "--url", url]
        done = await anyio.run_process(command, cwd=ROOT, env=os.environ, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


async def test_the_question_is_answered() -> None:
    assert "agent: That makes 84.\n" in await talk("docs/examples/question.wav")


async def test_the_long_answer_is_interrupted_and_the_question_answered_again() -> None:
    said = await talk("docs/examples/capabilities.wav", "--barge-in-after", "800ms")
    assert said.count("  you: What can you do?\n") == 2
    assert said.count("(cancelled)") == 1
    assert said.count("\nagent: ") == 2
    assert said.count("set a timer and book a table") == 1, (
        "of the answer that was cut, only what was audible is told"
    )


def test_every_recording_is_proposed_and_described() -> None:
    names = {path.name for path in EXAMPLES.glob("*.wav")}
    assert (
        set(re.findall(r"scripts/talk docs/examples/(\S+\.wav)", (ROOT / "README.md").read_text())) == names
    )
    assert set(re.findall(r"\| `(\S+\.wav)` \|", (EXAMPLES / "README.md").read_text())) == names
