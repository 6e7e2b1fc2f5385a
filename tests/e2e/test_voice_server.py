"""The server as an object: composed in Python or from a file, on a real socket."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process

from server import Agent, Route, VoiceServer, tool
from server.client.client import RealtimeClient
from server.domain.errors import ConfigError
from stageflow.tools import ToolCall
from stages.errors import ProviderRejected
from stages.testing.fakes import EchoModel, Said, ScriptedModel, ScriptedRecogniser, ScriptedVoice
from tests.support.live_server import ask
from tests.support.patience import PATIENCE_S, UNHURRIED

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of ours, and a working directory without a file."""
    for name in os.environ:
        if name.startswith(("STAGEFLOW_VOICE_", "OPENAI_")) and name not in UNHURRIED:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def cheap(**others: object) -> VoiceServer:
    given: dict[str, object] = {
        "stt": "scripted", "llm": EchoModel, "tts": ScriptedVoice(), "vad": "webrtc", "end_of_turn": "none"
    }  # fmt: skip
    return VoiceServer(**{**given, **others})  # type: ignore[arg-type]


async def answer(url: str, *texts: str) -> list[str]:
    """What is said to each of the texts, in one conversation."""
    async with RealtimeClient(url) as client:
        for text in texts:
            await ask(client, text, modality="text")
            await client.receive_until("response.done")
        return client.call.texts("response.output_text.done", "text")


@tool(effect="none")
async def opening_hours(day: str) -> str:
    """When we are open on that day."""
    return f"On {day} from nine to five."


async def test_it_takes_names_classes_and_objects() -> None:
    async with cheap().listening(port=0) as server:
        assert await answer(server.url, "hello") == ["You said: hello"]
        assert server.providers.names == ("scripted", "an echo", "scripted tones")


async def test_an_agent_of_one_s_own_calls_a_tool_of_one_s_own() -> None:
    model = ScriptedModel(
        Said(calls=(ToolCall("1", "opening_hours", {"day": "Monday"}),)), "From nine to five."
    )
    agent = Agent(instructions="You look after a shop.", tools=[opening_hours])
    async with cheap(llm=model, agents=[agent]).listening(port=0) as server:
        assert await answer(server.url, "when are you open?") == ["From nine to five."]
    first, second = model.requests
    assert [tool.name for tool in first.tools] == ["opening_hours"]
    assert first.messages[0].content == "You look after a shop."
    assert "On Monday from nine to five." in second.messages[-1].content


async def test_routes_lead_to_agents_with_models_and_tools_of_their_own() -> None:
    sales = Agent(name="sales", llm=ScriptedModel("Sales."), tools=[])
    support = Agent(name="support", llm=ScriptedModel("Support."), tools=[opening_hours])
    routes = [Route(agent="sales", default=True), Route(agent="support", keywords=["broken"], sticky=False)]
    async with cheap(agents=[sales, support], routes=routes).listening(port=0) as server:
        said = await answer(server.url, "hello", "it is broken", "thanks")
    assert said == ["Sales.", "Support.", "Sales."]
    assert sales.llm.requests[0].tools == ()
    assert [tool.name for tool in support.llm.requests[0].tools] == ["opening_hours"]


async def test_the_first_agent_greets() -> None:
    async with cheap(agents=[Agent(greeting="Welcome to the shop.")]).listening(port=0) as server:
        async with RealtimeClient(server.url) as client:
            await client.receive_until("response.done")
            said = client.call.texts("response.output_audio_transcript.done", "transcript")
    assert said == ["Welcome to the shop."]


async def test_all_that_is_wrong_is_told_at_once_before_anything_is_loaded() -> None:
    async def untold(*days: str) -> str:
        """No model can name these."""
        return ""

    agents = [Agent(name="one", tools=[untold]), Agent(name="two", greeting="Hi.")]
    server = cheap(stt="scriptd", llm=ScriptedRecogniser(), agents=agents, routes=[Route(agent="three")])
    with pytest.raises(ConfigError) as refused:
        async with server.listening(port=0, lead_ms=9):
            raise AssertionError
    for part in (
        "STAGEFLOW_VOICE_LEAD_MS",
        "stt 'scriptd' is not built in",
        "llm 'ScriptedRecogniser' has no `stream`",
        "agents.one.tools: tool 'untold': parameter 'days' cannot be named by a model",
        "routes: 'three' is no agent; there are one, two",
        "agents: no route leads to 'one'",
        "agents.two.greeting: the first agent greets",
    ):
        assert part in str(refused.value)


FILE = """
[server]
instructions = "You are the shop."

[stt]
use = "scripted"
texts = ["it is broken"]
[llm]
use = "echo"
prefix = "Echo: "
[tts]
use = "scripted"
[vad]
use = "webrtc"
[end_of_turn]
use = "none"

[[agents]]
name = "sales"
[[agents]]
name = "support"
llm = { use = "echo", prefix = "Support: " }

[[routes]]
agent = "sales"
default = true
[[routes]]
agent = "support"
keywords = ["broken"]

[guard]
words = ["forbidden"]
refusal = "No."
"""


async def test_the_object_without_arguments_is_what_the_file_says(monkeypatch: pytest.MonkeyPatch) -> None:
    await anyio.Path("stageflow-voice.toml").write_text(FILE)
    async with VoiceServer().listening(port=0) as server:
        assert await answer(server.url, "hello", "it is broken", "forbidden") == [
            "Echo: hello",
            "Support: it is broken",
            "No.",
        ]
    monkeypatch.setenv("STAGEFLOW_VOICE_LLM__ECHO__PREFIX", "The environment: ")
    async with VoiceServer().listening(port=0) as server:
        assert await answer(server.url, "hello") == ["The environment: hello"]


MY_APP = """
from server import VoiceServer
from stages.testing.fakes import EchoModel

class Mine(EchoModel):
    pass

app = VoiceServer(stt="scripted", llm=Mine("Mine: "), tts="scripted", vad="webrtc", end_of_turn="none", port=0)
"""


class Served:
    """The command `serve` in a process of its own."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.said = ""

    async def until(self, text: str) -> None:
        assert self._process.stdout is not None
        with anyio.fail_after(PATIENCE_S):
            while text not in self.said:
                self.said += (await self._process.stdout.receive()).decode()

    async def hang_up_until(self, text: str) -> None:
        """Say that the file has changed, again while nobody listens for it: the port opens a moment before."""
        async with anyio.create_task_group() as tasks:

            async def hang_up() -> None:
                while True:
                    self._process.send_signal(signal.SIGHUP)
                    await anyio.sleep(2)

            tasks.start_soon(hang_up)
            await self.until(text)
            tasks.cancel_scope.cancel()
        assert "SIGHUP" not in self.said, "a signal that is obeyed is told of once"

    async def url(self) -> str:
        await self.until("/v1/realtime\n")
        return next(word for word in self.said.split() if word.startswith("ws://"))


@asynccontextmanager
async def served(folder: Path, *arguments: str) -> AsyncIterator[Served]:
    command = [str(Path(sys.executable).with_name("stageflow-voice")), "serve", *arguments]
    async with await anyio.open_process(command, cwd=folder, stderr=subprocess.STDOUT) as process:
        one = Served(process)
        try:
            yield one
        except BaseException:
            print(one.said)
            process.kill()
            raise
        process.send_signal(signal.SIGINT)
        with anyio.move_on_after(PATIENCE_S) as patience:
            assert await process.wait() == 0
        if patience.cancelled_caught:
            process.kill()
        assert not patience.cancelled_caught


async def test_a_file_beside_folders_that_are_called_like_ours_is_served(tmp_path: Path) -> None:
    for folder in ("stages", "audio", "server"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text("raise RuntimeError('not ours')")
    (tmp_path / "my_app.py").write_text(MY_APP)
    async with served(tmp_path, "my_app:app") as server:
        assert await answer(await server.url(), "hello") == ["Mine: hello"]


def test_a_package_that_stands_in_the_way_of_ours_is_named(tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "__init__.py").write_text("")
    (tmp_path / "my_app.py").write_text("from server import VoiceServer")
    done = subprocess.run(
        [sys.executable, "my_app.py"], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert f"{tmp_path / 'stages'} is imported instead of the server's own package 'stages'" in done.stderr
    assert "stageflow-voice serve my_app:app" in done.stderr


async def test_sighup_lets_new_sessions_use_the_file_if_it_is_right(tmp_path: Path) -> None:
    path = tmp_path / "stageflow-voice.toml"
    path.write_text(FILE)
    async with served(tmp_path, "--port", "0") as server:
        url = await server.url()
        path.write_text(FILE.replace("[guard]", "[guards]"))
        await server.hang_up_until("guards: is no key; did you mean 'guard'?")
        assert await answer(url, "hello") == ["Echo: hello"]
        path.write_text(FILE.replace("Echo: ", "New: "))
        await server.hang_up_until("new sessions use the configuration as it is now")
        assert await answer(url, "hello") == ["New: hello"]


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = (
        "import sys, server; print(sorted({'numpy', 'pydantic', 'websockets', 'anyio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.stdout.strip() == "[]"


async def test_what_cannot_be_loaded_is_told_as_it_was_raised() -> None:
    class Unloadable(EchoModel):
        interface = 1

        def __init__(self, *settings: object) -> None:
            raise ProviderRejected("no such model")

    with pytest.raises(ProviderRejected, match="no such model"):
        async with cheap(llm=Unloadable).listening(port=0):
            pass


NOT_AT_START = {
    *(
        "openai",
        "httpx",
        "mcp",
        "redis",
        "soundfile",
        "sounddevice",
        "webbrowser",
        "onnxruntime",
        "server.client",
    ),
    *(
        "stages.demo",
        "stages.providers.openai",
        "stages.providers.remote",
        "stages.testing",
    ),
}
"""What the default configuration does without, or reads when its models are read."""
BESIDE_THE_MODELS = {
    "server.app",
    "server.session",
    "server.journal",
    "stages.agent",
    "stages.text.rules",
    "prometheus_client",
    "websockets",
}


@pytest.mark.parametrize(
    ("read", "heavy", "most"),
    [("server.cli.serve", NOT_AT_START | BESIDE_THE_MODELS, 540), ("server.app", NOT_AT_START, 890)],
)
def test_a_start_imports_little_before_the_models_and_nothing_in_vain(
    read: str, heavy: set[str], most: int
) -> None:
    program = f"import sys, server.cli.serve, {read}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S)
    found = done.stdout.split()
    assert heavy.intersection(found) == set()
    assert 400 < len(found) < most, "measured: 531, and 867 with the application"


def test_a_replay_imports_nothing_that_serves() -> None:
    program = "import sys, server.cli.replay; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S)
    found = done.stdout.split()
    serving = {
        "websockets",
        "prometheus_client",
        "server.app",
        "server.reception",
        "server.gateway.door.http",
    }
    assert (NOT_AT_START | serving).intersection(found) == set()
    assert 400 < len(found) < 760, "measured: 725"


async def test_an_agent_speaks_with_its_voice() -> None:
    voice = ScriptedVoice()
    async with cheap(tts=voice, agents=[Agent(voice="high")]).listening(port=0) as server:
        async with RealtimeClient(server.url) as client:
            await ask(client, "hello")
            await client.receive_until("response.done")
    assert voice.requests[-1].voice == "high"
