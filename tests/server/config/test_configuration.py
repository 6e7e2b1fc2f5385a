"""The configuration file: each kind of mistake is one clear line, all of them at once, before anything is loaded."""

import json
import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from server.__main__ import main
from server.config.configuration import Configuration, file_path, load_configuration
from server.domain.errors import ConfigError
from server.voice_server import VoiceServer
from stageflow.tools import ToolCall, ToolRegistry
from tests.support.patience import PATIENCE_S

CHEAP = """
[stt]
use = "scripted"
[llm]
use = "echo"
[tts]
use = "scripted"
[vad]
use = "webrtc"
[end_of_turn]
use = "none"
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in os.environ:
        if name.startswith(("STAGEFLOW_VOICE_", "OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def load(text: str) -> Configuration:
    Path("stageflow-voice.toml").write_text(text)
    return load_configuration(path=file_path(None))


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load(text)
    return [line.strip() for line in str(refused.value).splitlines()[1:]]


def test_sessions_are_recorded_where_the_file_says() -> None:
    record = load(CHEAP + '[record]\ndir = "calls"\nmax_files = 3\n').settings.record
    assert (record.dir, record.max_files) == (Path("calls"), 3)
    assert load(CHEAP).settings.record.dir is None


def test_a_provider_may_be_a_line() -> None:
    short = load(
        'stt = "scripted"\nllm = "echo"\ntts = ["scripted", "embedded"]\nvad = "webrtc"\nend_of_turn = "none"'
    )
    long = load(CHEAP.replace('[tts]\nuse = "scripted"', '[tts]\nuse = ["scripted", "embedded"]'))
    assert short.settings.model_dump() == long.settings.model_dump()
    assert short.settings.tts == "scripted,embedded"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('stt = 3', "stageflow-voice.toml: stt: is a name, a list of names, or a table with `use`"),
        (CHEAP + "[routes]\nagent = 'a'", "stageflow-voice.toml: routes: there may be several: write [[routes]]"),
        ('llm = "ecko"', "llm 'ecko' is not built in"),
        ("[server", "stageflow-voice.toml: is not TOML: "),
        (CHEAP + "[server]\nprot = 80", "stageflow-voice.toml: server.prot: is no key; did you mean 'port'?"),
        (CHEAP + "[server]\nport = 'many'", "stageflow-voice.toml: server.port: Input should be a valid integer"),
        (CHEAP + "[limits]\nmax_sessions = 0", "stageflow-voice.toml: limits.max_sessions: "),
        (CHEAP + "[limits]\nmax_session = 1", "stageflow-voice.toml: limits.max_session: is no key; did you mean"),
        (CHEAP + "[server]\nmax_sessions = 1", "server.max_sessions: is no key; it belongs into [limits]"),
        (CHEAP + "[tools]\nconfirmed = ['toll']\n", "tools.confirmed: there is no tool 'toll'; there are none"),
        (CHEAP + "[gaurd]", "stageflow-voice.toml: gaurd: is no key; did you mean 'guard'?"),
        (CHEAP + "[guard]\npatterns = ['(']", "stageflow-voice.toml: guard.patterns: "),
        (CHEAP + "[[guard.rules]]\nname = 'a'\n", "guard.rules.a: has neither words nor patterns; add some"),
        (CHEAP + "[[guard.rules]]\nname = 'a'\npatterns = ['(']\n", "guard.rules.a: "),
        (CHEAP + "[[guard.rules]]\nname = 'a'\nwords = ['x']\npolicy = 'warn'\nrefusal = 'No.'\n",
         "guard.rules.a.refusal: is never said, as the policy is `warn`"),
        (CHEAP + "[[guard.rules]]\nname = 'a'\nwords = ['x']\n[[guard.rules]]\nname = 'a'\nwords = ['y']\n",
         "guard.rules: 2 are called 'a'; put their words and patterns into one"),
        (CHEAP + "[[guard.rules]]\nname = 'a'\npolice = 'warn'\n", "is no key; did you mean 'policy'?"),
        (CHEAP + "[[agents]]\ninstruction = 'x'", "is no key; did you mean 'instructions'?"),
        (CHEAP + "[[agents]]\nname = 'a'\n[[agents]]\nname = 'b'\n[[routes]]\nagent = 'a'",
         "agents: no route leads to 'b'; add [[routes]] with agent = 'b', and keywords or default = true"),
        (CHEAP + "[[routes]]\nagent = 'sales'", "routes: 'sales' is no agent; there are assistant"),
        (CHEAP + "[[routes]]\nagent = 'assistant'\npatterns = ['(']", "routes.assistant: "),
        (CHEAP + "[[agents]]\nllm = 'ecko'", "agents.assistant.llm: llm 'ecko' is not built in"),
        (CHEAP + "[tools]\nfunctions = ['nowhere:book']", "tools.functions: nowhere:book: cannot import 'nowhere'"),
        (CHEAP + "[tools]\nfunctions = ['os.path:join']", "tools.functions: tool 'join': parameter 'a' needs"),
        (CHEAP + "[pipeline]\nhook = 'os:nothing'", "pipeline.hook: os:nothing: 'os' has no 'nothing'"),
        (CHEAP.replace("echo", "ecko"), "llm 'ecko' is not built in"),
        (CHEAP.replace('"echo"', '["echo", 3]'), "stageflow-voice.toml: llm.use: Input should be a valid string"),
        (CHEAP.replace('"echo"', '["echo", "ecko"]'), "llm 'ecko' is not built in"),
        (CHEAP.replace('use = "echo"', 'use = "echo"\nprefixes = "x"'),
         "stageflow-voice.toml: llm.prefixes: 'echo' has no such setting; it has prefix, "),
        (CHEAP + "[server]\napi_keys_file = 'nowhere'", "stageflow-voice.toml: server.api_keys_file: cannot be read"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_clear_line(text: str, line: str) -> None:
    (fault,) = faults(text)
    assert line in fault


def test_a_wrong_value_of_an_agent_or_a_route_hides_nothing_else_of_them() -> None:
    told = faults(
        CHEAP + "[[agents]]\nname = 'a'\nmax_tokens = 'many'\ntools = ['nowhere:book']\n"
        "[[agents]]\nname = 'b'\ngreeting = 'Hi.'\nexpects = 'money'\n"
        "[[routes]]\nagent = 'c'\nsticky = 'very'\npatterns = ['(']\n"
    )
    keys = [line.removeprefix("stageflow-voice.toml: ").partition(": ")[0] for line in told]
    assert keys == [
        "agents.0.max_tokens", "agents.1.expects", "routes.0.sticky", "routes", "routes.c", "agents", "agents",
        "agents.b.greeting", "agents.a.tools",
    ]  # fmt: skip


def test_a_wrong_value_in_a_rule_hides_nothing_else_of_the_guard() -> None:
    told = faults(
        CHEAP + "[guard]\nrefusal = 5\npatterns = ['(']\n"
        "[[guard.rules]]\nname = 'a'\npolicy = 'wrn'\npatterns = ['(']\n"
        "[[guard.rules]]\nwords = [3]\nrefusal = ''\n"
        "[[guard.rules]]\nname = 'c'\npolicy = 'no'\n"
        "[[guard.rules]]\nname = 'c'\npaterns = ['x']\n"
    )
    keys = [line.removeprefix("stageflow-voice.toml: ").partition(": ")[0] for line in told]
    assert keys == [
        "guard.refusal", "guard.rules.0.policy", "guard.rules.1.name", "guard.rules.1.words.0",
        "guard.rules.1.refusal", "guard.rules.2.policy", "guard.rules.3.paterns", "guard.patterns", "guard.rules",
        "guard.rules.a", "guard.rules.c",
    ]  # fmt: skip
    assert told[-1].endswith("has neither words nor patterns; add some"), "the one that has no misspelt key"
    assert all(len(line.partition(": ")[2]) > 10 for line in told)


def test_a_wrong_value_of_a_server_of_tools_hides_nothing_else_of_the_tools() -> None:
    told = faults(
        CHEAP + "[tools]\nfunctions = ['nowhere:book']\n"
        "[[tools.servers]]\nname = 'shop'\nurl = 'http://127.0.0.1:9/mcp'\ntools = 5\nkey = 'k'\nkey_file = 'k'\n"
        "[[tools.servers]]\nname = 'bad name'\nurl = 'ftp://there'\n"
        "[[tools.servers]]\nname = 'shop'\nurll = 'http://127.0.0.1:9/mcp'\n"
    )
    keys = [line.removeprefix("stageflow-voice.toml: ").partition(": ")[0] for line in told]
    assert [key for key in keys if key != "tools.servers"] == [
        "tools.servers.0.tools", "tools.servers.1.name", "tools.servers.2.url", "tools.servers.2.urll",
        "tools.functions", "tools.servers.shop", "tools.servers.shop.key_file", "tools.servers.1.url",
    ]  # fmt: skip
    assert [line for line in told if "2 are called 'shop'" in line]


@pytest.mark.parametrize(
    ("wrong", "is_told"),
    [
        ("[[agents]]\nname = 'a'\ntools = ['tests.server.config.test_tool_names:opening_hours']\n", True),
        ("[tools]\nservers = [{name = 'shop', url = 5}]\n", True),
        ("[[agents]]\nname = 'a'\ntols = ['x:y']\n", False),
        ("[[agents]]\nname = 'a'\ntools = ['nowhere:book']\n", False),
        ("[tools]\nservers = [{name = 'the shop', url = 'http://127.0.0.1:9/mcp'}]\n", False),
    ],
    ids=["a name taken", "a server's url", "a key that may be its tools", "one not found", "a server's name"],
)  # fmt: skip
def test_a_misspelt_tool_to_confirm_is_told_beside_other_faults_where_all_names_are_known(
    wrong: str, is_told: bool
) -> None:
    confirmed = "confirmed = ['shop__buy', 'book_tabel']\n"
    text = wrong.replace("[tools]\n", "[tools]\n" + confirmed)
    told = faults(
        CHEAP.replace('"echo"', '"demo"') + text + ("" if text != wrong else "[tools]\n" + confirmed)
    )
    assert told
    assert any("no tool 'book_tabel'; did you mean 'book_table'" in line for line in told) == is_told


def test_a_wrong_key_hides_no_other_fault_of_its_table() -> None:
    wrong = "[guard]\npolcy = 'x'\npatterns = ['[a']\n[[guard.rules]]\nname = 'a'\n"
    told = " ".join(faults(CHEAP + wrong + "[tools]\nconfirmd = 1\nfunctions = ['nowhere:book']\n"))
    for fault in (
        "guard.polcy: is no",
        "guard.patterns: pattern '[a'",
        "guard.rules.a: has neither",
        "tools.confirmd",
    ):
        assert fault in told
    assert "nowhere:book: cannot import" in told


TOOLS = """
async def anything(*parts: str) -> str:
    \"\"\"Takes whatever comes.\"\"\"
    return ""

class Basket:
    pass

async def order(basket: Basket) -> str:
    \"\"\"Order what is in a basket.\"\"\"
    return ""

async def silent(day: str) -> str:
    return ""
"""


@pytest.mark.parametrize(
    ("tool", "line"),
    [
        ("anything", "tools.functions: tool 'anything': parameter 'parts' cannot be named by a model"),
        ("order", "tools.functions: tool 'order' cannot be told to a model (Unable to generate"),
        ("silent", "tools.functions: tool 'silent' has no description"),
    ],
)
def test_a_tool_that_no_model_can_be_told_of(tool: str, line: str, environment: pytest.MonkeyPatch) -> None:
    Path("tools_of_a_test.py").write_text(TOOLS)
    environment.syspath_prepend(str(Path.cwd()))
    (fault,) = faults(CHEAP + f"[tools]\nfunctions = ['tools_of_a_test:{tool}']")
    assert line in fault


HOOKS = """
from stageflow import StageKind, StageOutput
from stages.testing.fakes import ScriptedRecogniser

class Loud:
    kind = StageKind.AGENT
    async def execute(self, ctx):
        return StageOutput.ok()

def silent(pipeline):
    return pipeline.without("tts").without("agent")

def unread(pipeline):
    return pipeline.with_stage("loud", Loud(), dependencies=("stt",))

def raises(pipeline):
    raise KeyError("what")

def gives_nothing(pipeline):
    pipeline.without("guard")

class Explodes(ScriptedRecogniser):
    def __init__(self):
        raise AssertionError("a model was loaded")
    @classmethod
    def from_settings(cls, settings):
        return cls()
"""


@pytest.mark.parametrize(
    ("hook", "line"),
    [
        ("silent", "'tts'"),
        ("unread", "the stream of agent 'loud' is read by nobody"),
        ("raises", "raised KeyError: 'what'"),
        ("gives_nothing", "gave NoneType; return the Pipeline that it has edited"),
    ],
)
def test_a_hook_is_tried_before_anything_is_loaded(
    hook: str, line: str, environment: pytest.MonkeyPatch
) -> None:
    Path("hooks_of_a_test.py").write_text(HOOKS)
    environment.syspath_prepend(str(Path.cwd()))
    text = CHEAP.replace('"scripted"', '"hooks_of_a_test:Explodes"', 1) + "[server]\nprot = 1\n"
    Path("stageflow-voice.toml").write_text(text + f'[pipeline]\nhook = "hooks_of_a_test:{hook}"\n')

    async def serve() -> None:
        async with VoiceServer().listening(port=0):
            pass

    with pytest.raises(ConfigError) as refused:
        anyio.run(serve)
    told = [one.strip() for one in str(refused.value).splitlines()[1:]]
    assert any(one.startswith("pipeline.hook: ") and line in one for one in told), told
    assert any("server.prot" in one for one in told), told


def test_all_mistakes_are_told_at_once() -> None:
    found = faults(
        CHEAP.replace("scripted", "scriptd", 1)
        + "[server]\nport = 'many'\n[[routes]]\nagent = 'sales'\n[gaurd]\n"
    )
    assert len(found) >= 3
    assert any("server.port" in line for line in found)
    assert any("gaurd" in line for line in found)
    assert any("stt 'scriptd'" in line for line in found)


def test_keys_have_limits_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    server = "[server]\napi_keys = ['k-0123456789', 'k-9876543210']\nkey_names = ['shop']\n"
    text = (
        CHEAP
        + server
        + "[keys.shop]\nsessions = 3\naudio_s_per_hour = 600\n[keys.key-2]\nrequests_per_min = 9\n"
    )
    keys = load(text).settings.keys
    assert (keys["shop"].sessions, keys["shop"].audio_s_per_hour) == (3, 600)
    assert keys["key-2"].requests_per_min == 9
    assert main(["config", "show"]) == 0
    shown = capsys.readouterr().out
    assert "keys = {shop: {sessions: 3, audio_s_per_hour: 600}" in shown
    assert "k-0123456789" not in shown
    (fault,) = faults(CHEAP + server + "[keys.till]\nsessions = 3\n")
    assert fault.endswith("keys: no key is called 'till'; there are shop, key-2: see api_keys and key_names")
    (fault,) = faults(CHEAP + server + "[keys.shop]\nsession = 3\n")
    assert fault.endswith("keys.shop.session: is no key; did you mean 'sessions'?")
    (fault,) = faults(CHEAP + server + "[keys.shop]\nsessions = 0\n")
    assert "keys.shop.sessions: " in fault


def test_a_fault_hides_no_other(environment: pytest.MonkeyPatch) -> None:
    """A wrong key of an agent, its routes, its tools, the hook, the provider and what does not go with it."""
    Path("parts_of_a_test.py").write_text(TOOLS + HOOKS)
    environment.syspath_prepend(str(Path.cwd()))
    environment.delenv("DEEPGRAM_API_KEY", raising=False)
    found = faults(
        CHEAP.replace('"scripted"', '"deepgram_flux"', 1).replace('"none"', '"smart_turn"')
        + "[[agents]]\nname = 'a'\ngreting = 'hello'\n[[agents]]\nname = 'b'\n[[routes]]\nagent = 'c'\n"
        + "[tools]\nfunctions = ['parts_of_a_test:anything']\n[pipeline]\nhook = 'parts_of_a_test:silent'\n"
    )
    for line in (
        "stageflow-voice.toml: agents.0.greting: is no key; did you mean 'greeting'?",
        "stt.api_key: 'deepgram_flux' needs it",
        "end_of_turn: two would find the ends of turns",
        "routes: 'c' is no agent",
        "agents: no route leads to 'a'",
        "tools.functions: tool 'anything'",
        "pipeline.hook: there is no agent",
    ):
        assert any(one.startswith(line) for one in found), (line, found)


def test_an_address_that_is_none_is_named() -> None:
    (fault,) = faults(CHEAP.replace('"echo"', '"openai"\nmodel = "m"\nbase_url = "localhost:11434/v1"'))
    assert (
        fault
        == "stageflow-voice.toml: llm.base_url: is no address; write one that begins with http:// or https://"
    )


def test_a_tool_that_is_not_async_runs_in_a_thread(environment: pytest.MonkeyPatch) -> None:
    Path("thread_of_a_test.py").write_text(
        "import threading\ndef where(day: str) -> str:\n    'Where it runs.'\n"
        "    return f'{day} {threading.current_thread() is threading.main_thread()}'\n"
    )
    environment.syspath_prepend(str(Path.cwd()))
    path = "['thread_of_a_test:where']"
    (made,) = load(CHEAP + f"[tools]\nfunctions = {path}\n[[agents]]\ntools = {path}").crew.tools
    result = anyio.run(ToolRegistry([made]).execute, ToolCall("1", "where", {"day": "today"}))
    assert (result.ok, result.text) == (True, "today False")


APP = """
from server import Agent, VoiceServer

async def in_stock(article: str) -> str:
    \"\"\"Tell how many there are.\"\"\"
    return "7"

cheap = dict(stt="scripted", llm="echo", tts="scripted", vad="webrtc", end_of_turn="none")
app = VoiceServer(**cheap, agents=[Agent(tools=[in_stock])], port=8123)
wrong = VoiceServer(stt="nothing")
"""


def test_a_server_in_python_is_checked_and_shown(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("app_of_a_test.py").write_text(APP)
    environment.syspath_prepend(str(Path.cwd()))
    assert main(["config", "check", "app_of_a_test:app"]) == 0
    assert main(["config", "check", "app_of_a_test:wrong"]) == 1
    assert "stt 'nothing' is not built in" in capsys.readouterr().err
    assert main(["config", "show", "app_of_a_test:app"]) == 0
    shown = capsys.readouterr().out
    assert "port = 8123  # the program" in shown
    assert "tools: [in_stock]" in shown


def test_a_file_that_is_named_and_not_there_is_a_mistake(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STAGEFLOW_VOICE_CONFIG", "nowhere.toml")
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read"):
        load_configuration(path=file_path(None))


def test_the_environment_wins_and_tables_are_mixed(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STAGEFLOW_VOICE_PORT", "9000")
    environment.setenv("STAGEFLOW_VOICE_LIMITS__MAX_SESSIONS", "7")
    text = CHEAP + "[server]\nport = 8000\nlead_ms = 300\n[limits]\nmax_sessions = 5\nmax_session_s = 60"
    settings = load(text).settings
    assert (settings.port, settings.lead_ms) == (9000, 300)
    assert (settings.limits.max_sessions, settings.limits.max_session_s) == (7, 60)


def test_show_hides_secrets_and_says_where_values_came_from(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("keys").write_text("a-very-secret-key-of-ours")
    environment.setenv("STAGEFLOW_VOICE_LEAD_MS", "300")
    environment.setenv("OPENAI_API_KEY", "sk-another-secret")
    Path("stageflow-voice.toml").write_text(
        CHEAP.replace('"echo"', '"openai"\nmodel = "gpt"') + "[server]\napi_keys_file = 'keys'\nport = 8001\n"
    )
    assert main(["config", "show"]) == 0
    shown = capsys.readouterr().out
    assert "of-ours" not in shown
    assert "sk-another" not in shown
    assert "port = 8001  # stageflow-voice.toml: server.port" in shown
    assert "lead_ms = 300  # STAGEFLOW_VOICE_LEAD_MS" in shown
    assert "drain_s = 5.0  # default" in shown
    assert 'llm.model = "gpt"  # stageflow-voice.toml' in shown
    assert "llm.api_key = (hidden)" in shown


def test_no_log_may_hold_the_secrets_of_providers() -> None:
    configuration = load(CHEAP.replace('"echo"', '"openai"\nmodel = "m"\napi_key = "sk-of-a-provider"'))
    assert "sk-of-a-provider" in configuration.secrets()


def test_check_and_schema(capsys: pytest.CaptureFixture[str]) -> None:
    Path("stageflow-voice.toml").write_text(CHEAP)
    assert main(["config", "check"]) == 0
    Path("stageflow-voice.toml").write_text(CHEAP + "[gaurd]")
    assert main(["config", "check"]) == 1
    assert "did you mean 'guard'?" in capsys.readouterr().err
    assert main(["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert {"server", "stt", "agents", "routes", "guard", "tools", "pipeline", "limits"} <= set(
        schema["properties"]
    )


def test_providers_are_listed_and_shown(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("DEEPGRAM_API_KEY", "a-secret-of-ours")
    assert main(["providers"]) == 0
    listed = capsys.readouterr().out
    assert "key in DEEPGRAM_API_KEY" in listed
    assert "echo" in listed
    assert main(["providers", "echo"]) == 0
    assert "prefix: str, default You said" in capsys.readouterr().out
    assert main(["providers", "nobody"]) == 1
    assert "of-ours" not in listed


def test_a_provider_that_is_misspelt_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["providers", "deepgrm"]) == 1
    assert "there is no provider 'deepgrm'; did you mean 'deepgram'?" in capsys.readouterr().err


def test_who_reads_the_beginning_only_gets_no_traceback() -> None:
    program = "import os, sys; from server.__main__ import main; os.close(0); sys.exit(main(['providers']))"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=writing, stderr=subprocess.PIPE, timeout=PATIENCE_S
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
