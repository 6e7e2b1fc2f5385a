"""`providers check` tries a provider as it is configured: all checks in a table, and 1 if something is wrong."""

from pathlib import Path

import pytest

from server.__main__ import main

SLOW_STEPS = '''
"""A voice that holds the loop, and tells its key."""

import logging
import time

from pydantic import BaseModel, SecretStr

from stages.ports import SynthesiserCapabilities
from stages.testing.fakes import ScriptedVoice


class Settings(BaseModel):
    api_key: SecretStr
    base_url: str = "http://localhost"


class Voice(ScriptedVoice):
    """A voice."""

    interface = 1
    capabilities = SynthesiserCapabilities(word_times=True)
    Settings = Settings

    @classmethod
    def from_settings(cls, settings):
        made = cls()
        made.settings = settings
        return made

    async def stream(self, text, *, voice=None, speed=1.0):
        logging.getLogger("acme").warning("asked with %s", self.settings.api_key.get_secret_value())
        async for speech in super().stream(text, voice=voice, speed=speed):
            yield speech
'''


def test_what_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["providers", "check", "echo"]) == 0
    assert "llm echo: 8 of 8 checks passed" in capsys.readouterr().out


def test_a_recogniser_by_speech_that_comes_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stageflow-voice.toml").write_text(
        '[stt]\nuse = "scripted"\ntexts = ["What is twelve times seven?"]\n[server]\nwrong = 1\n'
    )
    assert main(["providers", "check", "scripted", "--kind", "stt"]) == 0
    assert main(["providers", "check", "scripted", "--kind", "stt", "--says", "Something else."]) == 1
    assert "wrong  hears" in capsys.readouterr().out


def test_those_that_judge_by_the_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["providers", "check", "webrtc"]) == 0
    assert "vad webrtc: 8 of 8 checks passed" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "sure_of_test.py").write_text(
        "class Sure:\n    'Is more than sure.'\n    interface = 1\n"
        "    def open(self, on_probability):\n        self.tell = on_probability\n        return self\n"
        "    def ask(self, samples):\n        self.tell(100)\n"
        "    drop = close = lambda self: None\n"
    )
    assert main(["providers", "check", "--kind", "end_of_turn", "sure_of_test:Sure"]) == 1
    assert "it answers 100, which is not from 0 to 1" in capsys.readouterr().out


def test_what_is_wrong_is_told_and_the_key_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "acme_voice_of_test.py").write_text(SLOW_STEPS)
    (tmp_path / "stageflow-voice.toml").write_text(
        '[tts]\nuse = "acme_voice_of_test:Voice"\napi_key = "sk-123456"\n'
    )
    assert main(["providers", "check", "--kind", "tts", "acme_voice_of_test:Voice"]) == 1
    told = capsys.readouterr().out
    assert "a secret is shown: in the log" in told
    assert "sk-123456" not in told
    assert "its service is not there, and it says nothing of it" in told


def test_the_kind_of_a_class_is_known_by_what_it_declares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("STAGEFLOW_VOICE_LLM__MODEL_OF_TEST_MODEL__ANSWER", "Yes.")
    (tmp_path / "model_of_test.py").write_text(
        "from pydantic import BaseModel\nfrom stages.ports import Finished, ModelCapabilities, TextDelta\n"
        "class Model:\n    'Says one thing.'\n    interface = 1\n    capabilities = ModelCapabilities(tools=False)\n"
        "    class Settings(BaseModel):\n        answer: str\n"
        "    def __init__(self, settings):\n        self.answer = settings.answer\n"
        "    async def stream(self, messages, *, tools=(), tool_choice='auto', max_tokens=None):\n"
        "        yield TextDelta(self.answer)\n        yield Finished()\n"
    )
    assert main(["providers", "check", "model_of_test:Model"]) == 0
    assert main(["providers", "model_of_test:Model"]) == 0
    told = capsys.readouterr().out
    assert "llm model_of_test:Model: 8 of 8 checks passed" in told
    assert "STAGEFLOW_VOICE_LLM__MODEL_OF_TEST_MODEL__<NAME>" in told


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["check", "nowhere:Nobody"], "'nowhere:Nobody': cannot import 'nowhere'"),
        (["check", "nobody"], "there is no stt, llm, tts, vad, end_of_turn, tools 'nobody'"),
        (["check", "openai"], "say which, such as --kind stt"),
        (["check", "acme", "--kind", "stage"], "there are no checks for stage"),
        (["check", "acme", "--kind", "tools"], "tools 'acme' is not built in"),
        (["check", "shop_of_test:nothing", "--kind", "tools"], "cannot import 'shop_of_test'"),
        (["check"], "write `providers`"),
        (["check", "deepgram", "--kind", "stt"], "api_key"),
        (["check", "webrtc", "--call", "webrtc", "{}"], "--call: 'webrtc' is no tool"),
    ],
)
def test_what_cannot_be_checked(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
    assert main(["providers", *words]) == 1
    assert complaint in capsys.readouterr().err


SHOP = """
from pathlib import Path
from stageflow.tools import Tool

def note(text: str) -> str:
    "Write something down."
    with Path("noted.txt").open("a") as notes:
        notes.write(text)
    return "noted"

async def in_stock(what: str) -> int:
    "How many of an article there are."
    return {"shoes": 7}[what]

def untold(what) -> int:
    return 0

class Shop:
    "What a shop has."
    interface = 1

    def tools(self):
        return (Tool.of(in_stock, effect="none"),)

async def take(**whatever):
    Path("noted.txt").touch()

class Open:
    "Takes whatever it is given."
    interface = 1

    def tools(self):
        return (Tool("take", "Takes it.", {"type": "object", "properties": {}}, take),)
"""


def test_tools_are_called_only_with_what_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "noting_of_test.py").write_text(SHOP)
    assert main(["providers", "check", "noting_of_test:note"]) == 0
    told = capsys.readouterr().out
    assert "tools noting_of_test:note: 2 of 2 checks passed" in told
    assert "not called, as no --call says with what: note" in told
    assert main(["providers", "check", "noting_of_test:Open"]) == 0
    assert "tools noting_of_test:Open: 1 of 1 checks passed" in capsys.readouterr().out
    assert not (tmp_path / "noted.txt").exists()
    assert main(["providers", "check", "noting_of_test:note", "--call", "note", '{"text": "x"}']) == 0
    assert "6 of 6 checks passed" in capsys.readouterr().out
    assert (tmp_path / "noted.txt").read_text().startswith("x")
    shop = ["providers", "check", "noting_of_test:Shop", "--call", "in_stock"]
    assert main([*shop, '{"what": "shoes"}']) == 0
    assert main([*shop, '{"what": "hats"}']) == 1
    assert "a call of in_stock fails" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["shop_faults_of_test:untold"], "tool 'untold' has no description"),
        (["shop_faults_of_test:nothing"], "has no 'nothing'"),
        (["shop_faults_of_test:note", "--call", "notes", "{}"], "there is no tool 'notes'; there are note"),
        (["shop_faults_of_test:note", "--call", "note", "{"], "--call note: { is no JSON"),
        (["shop_faults_of_test:note", "--call", "note", "[]"], "write a JSON object"),
    ],
)
def test_what_cannot_be_checked_of_tools(
    words: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "shop_faults_of_test.py").write_text(SHOP)
    assert main(["providers", "check", *words]) == 1
    assert complaint in capsys.readouterr().err


HERE = """
import threading
from stages.testing.fakes import EchoModel

class Here(EchoModel):
    "A model that wants to be asked on the loop of the check."

    interface = 1

    async def stream(self, messages, **options):
        assert threading.current_thread() is threading.main_thread()
        async for event in super().stream(messages, **options):
            yield event
"""


def test_what_runs_apart_in_a_server_is_checked_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is apart, its callers do not wait for what it does when it is cancelled: nobody would find it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "here_of_test.py").write_text(HERE)
    assert main(["providers", "check", "here_of_test:Here"]) == 0
