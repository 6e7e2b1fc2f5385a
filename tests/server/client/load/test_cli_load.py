"""The command: each way in which it ends has a clear line and an exit code."""

import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.from_thread
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from audio.files import write_wav
from server.__main__ import main
from server.client.load.figures.report import Report
from server.client.load.figures.server_side import metrics_url
from server.client.load.reference.agent import Conduct, tone
from server.client.load.reference.reference_server import reference_server
from server.client.load.targets import VOICE
from tests.server.client.load.booth import web_page

SCENARIO = """
objectives: ["missed=0", "gaps=0", "lost=0", "errors=0"]
{listens}
scenarios:
  - name: question
    think_ms: [0, 0]
    steps: [{{silence_ms: 200}}, {{file: question.wav}}]
"""
NOBODY = "ws://127.0.0.1:9/"
QUICK = Conduct(answer_after_ms=350, end_silence_ms=250, answer_ms=300, lead_ms=300)
LAX = ["--no-calibration", "--late-limit", "10000"]
TWICE = [*LAX, "--arrivals", "burst:2/100s", "--duration", "60"]
"""Two calls. The run is over as soon as they are, however long a busy machine takes."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a scenario and its recording in it. Whoever plays `mix.yaml` waits for the whole answer before he hears
    it: no busy machine makes a gap. `at_once.yaml` is played as it comes."""
    monkeypatch.chdir(tmp_path)
    write_wav(tmp_path / "question.wav", tone(400), 24_000)
    (tmp_path / "mix.yaml").write_text(SCENARIO.format(listens="prebuffer_ms: 300"))
    (tmp_path / "at_once.yaml").write_text(SCENARIO.format(listens=""))
    return tmp_path


@contextmanager
def agent(conduct: Conduct) -> Iterator[str]:
    """The reference agent on a loop of its own."""
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(reference_server(conduct)) as url,
    ):
        yield url


@contextmanager
def web_socket(hold: Callable[[ServerConnection], Awaitable[None]]) -> Iterator[str]:
    """A server of `voice.v1` that does with each connection what is said."""

    @asynccontextmanager
    async def served() -> AsyncIterator[str]:
        async with serve(hold, "127.0.0.1", 0, subprotocols=[Subprotocol(VOICE)]) as server:
            yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"

    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(served()) as url,
    ):
        yield url


async def close_at_once(connection: ServerConnection) -> None:
    await connection.close(1013, "try again later")


async def say_nothing(connection: ServerConnection) -> None:
    async for _ in connection:
        pass


async def speak_nonsense(connection: ServerConnection) -> None:
    for number in range(30):
        await connection.send(bytes([200 + number, 254, 255]))
        await connection.send(f"{{{number}")
    await say_nothing(connection)


@pytest.mark.parametrize(
    ("hold", "said"),
    [
        (close_at_once, ["closed by the server with 1013 try again later (2)", "broken: lost=0 (it is 2)"]),
        (say_nothing, ["broken: missed=0 (it is 2)"]),
        (speak_nonsense, ["the server says: a message that means nothing: ", "broken: errors=0"]),
    ],
    ids=["closes at once", "says nothing", "speaks nonsense"],
)
def test_a_server_that_does_not_work_breaks_what_holds_without_objectives(
    hold: Callable[[ServerConnection], Awaitable[None]],
    said: list[str],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "plain.yaml").write_text(
        "scenarios: [{name: plain, steps: [{file: question.wav, within_ms: 300}]}]"
    )
    with web_socket(hold) as url:
        assert main(["load", url, "plain.yaml", *TWICE]) == 1
    told = capsys.readouterr().out
    assert all(line in told for line in said), told
    assert told.count("the server says: ") <= 11


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk here that is always full")
def test_a_report_that_cannot_be_written_is_said_beside_those_that_are(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with agent(QUICK) as url:
        assert main(["load", url, "mix.yaml", *TWICE, "--json", "/dev/full", "--junit", "r.xml"]) == 2
    told = capsys.readouterr()
    assert told.err.splitlines()[-1] == (
        "stageflow-voice: /dev/full: it could not be written: No space left on device"
    )
    assert "all objectives held" in told.out
    assert (folder / "r.xml").exists()


def test_a_run_that_holds_ends_with_0_and_writes_its_reports(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--json", "r.json", "--junit", "r.xml", "--markdown", "r.md"]
    with agent(QUICK) as url:
        assert main(["load", url, "mix.yaml", *TWICE, *out]) == 0
    assert "all objectives held" in capsys.readouterr().out
    report = Report.model_validate_json((folder / "r.json").read_bytes())
    assert (report.verdict, report.protocol) == ("held", "voice.v1")
    assert report.steps[0].counts["turns"] == 2
    assert (folder / "load-report.html").read_text().startswith("<!doctype html>")
    assert (folder / "r.xml").exists()
    assert (folder / "r.md").exists()


@pytest.mark.parametrize(
    "conduct",
    [
        replace(QUICK, gaps=((100, 2_000),)),
        replace(QUICK, complains="no model"),
        replace(QUICK, hangs_up_after_answers=1),
    ],
    ids=["gaps", "complains", "dies in the middle"],
)
def test_broken_objectives_end_with_1(
    conduct: Conduct, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with agent(conduct) as url:
        assert main(["load", url, "at_once.yaml", *TWICE]) == 1
    assert "broken: " in capsys.readouterr().out


@pytest.mark.parametrize("named", [[], ["--objectives", "gaps=0"]], ids=["of the scenario", "of the command"])
def test_a_run_without_a_turn_holds_nothing(
    named: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mute = SCENARIO.format(listens="").replace("{file: question.wav}", "{silence_ms: 200}")
    (folder / "mute.yaml").write_text(mute)
    with agent(Conduct(answers=False)) as url:
        assert main(["load", url, "mute.yaml", *TWICE, *named]) == 1
    assert "broken: turns>0" in capsys.readouterr().out


def test_a_machine_that_is_too_slow_ends_with_3(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with agent(QUICK) as url:
        assert main(["load", url, "mix.yaml", *TWICE, "--late-limit", "0"]) == 3
    said = capsys.readouterr().out
    assert "invalid: frames were sent late" in said
    assert "this run is invalid" in said


def test_worse_than_before_ends_with_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    five = [*TWICE, "--arrivals", "burst:5/100s"]
    with agent(QUICK) as url:
        assert main(["load", url, "mix.yaml", *five, "--json", "old.json"]) == 0
        old = json.loads((folder / "old.json").read_text())
        old["steps"][0]["latencies"]["v2v"]["p50"] = 10.0
        (folder / "old.json").write_text(json.dumps(old))
        assert main(["load", url, "mix.yaml", *five, "--compare", "old.json"]) == 1
    assert "v2v_p50 (5 arrivals): 10 → " in capsys.readouterr().out


def test_several_processes_make_the_calls_of_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with agent(QUICK) as url:
        assert main(["load", url, "mix.yaml", *TWICE, "--processes", "2", "--json", "r.json"]) == 0
    report = Report.model_validate_json((folder / "r.json").read_bytes())
    assert {turn.call for turn in report.steps[0].turns} == {0, 1}
    assert "all objectives held" in capsys.readouterr().out


def test_a_search_finds_what_a_caller_can_have(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What else a search does is tested in virtual time; what this one looks for holds on any machine."""
    search = ["--search", "turns>=0", "--most", "2", "--duration", "1"]
    with agent(QUICK) as url:
        assert main(["load", url, "mix.yaml", *LAX, *search]) == 0
    told = capsys.readouterr()
    assert "1 caller: held" in told.err
    assert "knee: at least 2 callers" in told.out
    assert "all objectives held with at least 2 callers" in told.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name the server"),
        (["http//nowhere"], "is not the address of a server"),
        ([NOBODY, "none.yaml"], "none.yaml: No such file"),
        ([NOBODY, "wrong.yaml"], "wrong.yaml: scenarios: "),
        ([NOBODY, "mix.yaml", "--protocol", "sip"], "--protocol: there is no 'sip'"),
        ([NOBODY, "mix.yaml", "--objectives", "speed<1"], "there is no figure 'speed'"),
        ([NOBODY, "mix.yaml", "--search", " ,"], "--search: name what must hold"),
        (
            [NOBODY, "mix.yaml", "--search", "gaps=0", "--callers", "600"],
            "--callers: a search begins with them, and ends at --most",
        ),
        ([NOBODY, "mix.yaml", "--json", "."], ".: it cannot be written"),
        ([NOBODY, "mix.yaml", "--arrivals", "often"], "--arrivals: 'often'"),
        ([NOBODY, "mix.yaml", "--callers", "0"], "--callers: from 1"),
        ([NOBODY, "mix.yaml", "--duration", "nan"], "--duration: from 1"),
        ([NOBODY, "mix.yaml", "--callers", "2", "--arrivals", "poisson:1"], "either --callers or --arrivals"),
        ([NOBODY, "mix.yaml", "--compare", "none.json"], "--compare none.json: No such file"),
        (
            [NOBODY, "mix.yaml", "--metrics", "file:///etc/hosts"],
            "--metrics: an address that begins with http",
        ),
        ([NOBODY, "mix.yaml", "--processes", "0"], "--processes: from 1"),
        ([NOBODY, "mix.yaml", "--workers", "host"], "--workers: 'host' is no host:port"),
        ([NOBODY, "mix.yaml", "--workers", "h:1", "--processes", "2"], "either --processes or --workers"),
        (["worker", "--listen", "nowhere"], "--listen: 'nowhere' is no host:port"),
        (["worker", "--listen", "0.0.0.0:0"], "set --worker-key"),
        ([NOBODY, "mix.yaml", "--html", "nowhere/r.html"], "nowhere/r.html: it cannot be written"),
    ],
)
def test_wrong_usage_ends_with_2(
    words: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "wrong.yaml").write_text("scenarios: 3")
    assert main(["load", *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]


def test_sounds_that_are_missing_end_with_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "question.wav").unlink()
    with agent(QUICK) as url:
        assert main(["load", url, "mix.yaml", *TWICE]) == 2
    assert "question: step 2: question.wav: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "message", "said"),
    [
        (200, "", "answers HTTP (200 OK), and opens no WebSocket"),
        (404, "sessions are elsewhere", "refused: 404 sessions are elsewhere"),
        (401, "that key is wrong", "refused: 401 that key is wrong Give it with --api-key."),
        (503, "the server is full", "refused: 503 the server is full"),
    ],
    ids=["HTTP", "wrong path", "wrong key", "server full"],
)
def test_who_cannot_be_reached_ends_with_4(
    status: int, message: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = json.dumps({"error": {"message": message}}).encode() if message else b"hello"
    with web_page(status, body) as url:
        assert main(["load", url, "mix.yaml"]) == 4
    assert said in capsys.readouterr().err


def test_nobody_there_ends_with_4(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load", NOBODY, "mix.yaml"]) == 4
    assert "no server at" in capsys.readouterr().err


def test_workers_that_are_not_there_end_with_4(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with agent(QUICK) as url:
        assert main(["load", url, "mix.yaml", *TWICE, "--workers", "127.0.0.1:9"]) == 4
    assert "no worker at 127.0.0.1:9" in capsys.readouterr().err


def test_metrics_that_are_not_where_they_were_said_to_be_end_with_4(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with agent(QUICK) as url:
        assert main(["load", url, "mix.yaml", "--metrics", "http://127.0.0.1:9/metrics"]) == 4
    assert "--metrics: no metrics at http://127.0.0.1:9/metrics" in capsys.readouterr().err


def test_the_key_of_the_target_is_not_shown_to_another_server_that_has_metrics(folder: Path) -> None:
    shown: list[str | None] = []
    with agent(QUICK) as url, web_page(401, b"", shown) as other:
        words = ["load", url, "mix.yaml", "--api-key", "secret", "--metrics", metrics_url(other)]
        assert main(words) == main([*words, "--metrics-key", "its own"]) == 4
    assert shown == [None, "Bearer its own"]


def test_a_protocol_of_ones_own_lies_in_the_working_directory(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (folder / "protocol_of_mine.py").write_text(
        "from server.client.load.targets import Voice\nclass Mine(Voice): ..."
    )
    with agent(QUICK) as url:
        assert main(["load", url, "mix.yaml", *TWICE, "--protocol", "protocol_of_mine:Mine"]) == 0
    assert "(Mine)" in capsys.readouterr().out


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["steps"]
