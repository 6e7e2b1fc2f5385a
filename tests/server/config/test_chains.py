"""Chains of providers in the configuration: from one line, with settings by provider, and every fault in words."""

import json
import os
from pathlib import Path

import anyio.to_thread
import pytest

from server.__main__ import main
from server.config.choice import Choice, choose
from server.config.configuration import load_configuration
from server.config.environment import load_settings
from server.config.providers import load_providers, title_of
from server.domain.errors import ConfigError
from stages.ports import Finished, ModelCapabilities, SynthesiserCapabilities
from stages.providers.failover.model import FailoverModel
from stages.providers.failover.recogniser import FailoverRecogniser
from stages.providers.failover.voice import FailoverVoice
from stages.testing.fakes import EchoModel, ScriptedRecogniser, ScriptedVoice  # noqa: F401  # by path

HERE = __name__


class Other(ScriptedVoice):
    """Speaks German, and does not know the times of words."""

    capabilities = SynthesiserCapabilities(languages=("de",))


class French(ScriptedVoice):
    """Speaks French alone."""

    capabilities = SynthesiserCapabilities(languages=("fr",))


class Closable(EchoModel):
    """Notes when it is closed."""

    closed = 0

    def close(self) -> None:
        type(self).closed += 1


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in os.environ:
        if name.startswith(("STAGEFLOW_VOICE_", "OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def chosen(tables: dict[str, dict[str, object]] | None = None, **settings: object) -> Choice:
    cheap = {"stt": "scripted", "llm": "echo", "tts": "scripted", "vad": "webrtc", "end_of_turn": "none"}
    return choose(load_settings(cheap | settings, env_file=None), tables)


def test_a_variable_names_a_chain(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STAGEFLOW_VOICE_TTS", f"scripted, {HERE}:Other")
    environment.setenv("STAGEFLOW_VOICE_TTS__SCRIPTED__FIRST_AUDIO_MS", "50")
    choice = chosen(tts=None)
    assert choice.faults == ()
    chain = choice.providers["tts"]
    assert [part.provider.name for part in chain.parts] == ["scripted", f"{HERE}:Other"]
    assert chain.parts[0].settings.model_dump()["first_audio_ms"] == 50
    assert chain.capabilities == SynthesiserCapabilities(languages=("de",))
    assert title_of("tts", choice) == "scripted tones, else scripted tones"


def test_a_file_names_a_chain_with_the_settings_of_each(capsys: pytest.CaptureFixture[str]) -> None:
    Path("stageflow-voice.toml").write_text(f"""
[stt]
use = ["scripted", "{HERE}:ScriptedRecogniser"]
scripted.texts = ["Good evening."]
[llm]
use = ["echo", "{HERE}:EchoModel"]
[llm.echo]
prefix = "First: "
[tts]
use = "scripted"
[vad]
use = "webrtc"
[end_of_turn]
use = "none"
""")
    parts = load_configuration(path=Path("stageflow-voice.toml")).choice.providers["llm"].parts
    assert [part.settings.model_dump()["prefix"] for part in parts] == ["First: ", "You said: "]
    assert main(["config", "show"]) == 0
    shown = capsys.readouterr().out
    assert 'llm.echo.prefix = "First: "' in shown
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$defs"]["ProviderTable"]["properties"]["use"]["anyOf"]


def test_an_agent_s_own_model_may_be_a_chain() -> None:
    Path("stageflow-voice.toml").write_text("""
stt = { use = "scripted" }
llm = { use = "echo" }
tts = { use = "scripted" }
vad = { use = "webrtc" }
end_of_turn = { use = "none" }
[[agents]]
name = "one"
llm = { use = ["echo", "echo"] }
""")
    with pytest.raises(ConfigError, match=r"agents\.one\.llm: llm: 'echo,echo' names a provider twice"):
        load_configuration(path=Path("stageflow-voice.toml"))


def test_the_first_of_a_chain_may_find_the_ends_of_turns() -> None:
    found = chosen({}, stt="tests.server.config.bad_providers:EndsTurns,scripted")
    assert found.faults == ()
    assert found.providers["stt"].capabilities.turns == "theirs"
    assert "end_of_turn" not in found.providers
    assert (
        chosen({}, stt="scripted,tests.server.config.bad_providers:EndsTurns")
        .providers["stt"]
        .capabilities.turns
        == "ours"
    )


@pytest.mark.parametrize(
    ("settings", "tables", "part"),
    [
        ({"tts": "scripted,nobody"}, {}, "tts 'nobody' is not built in"),
        ({"tts": "scripted,"}, {}, "tts '' is not built in"),
        ({"vad": "webrtc,silero"}, {}, "vad: has no chain"),
        ({"tts": f"{HERE}:Other,{HERE}:French"}, {}, "there is no language"),
        ({"llm": "echo,demo"}, {}, "brings tools of its own"),
        (
            {"tts": f"scripted,{HERE}:Other"},
            {"tts": {"use": f"scripted,{HERE}:Other", "first_audio_ms": 50}},
            "tts.first_audio_ms: in a chain a setting is in the table of its provider, such as [tts.scripted]",
        ),
    ],
)
def test_what_cannot_be_a_chain_is_said(
    settings: dict[str, object], tables: dict[str, dict[str, object]], part: str
) -> None:
    assert any(part in fault for fault in chosen(tables, **settings).faults)


async def test_all_of_a_chain_are_loaded_opened_and_closed() -> None:
    Closable.closed, said = 0, list[str]()
    choice = await anyio.to_thread.run_sync(
        lambda: chosen(
            stt=f"scripted,{HERE}:ScriptedRecogniser",
            llm=f"echo,{HERE}:Closable",
            tts=f"scripted,{HERE}:Other",
        )
    )
    assert choice.providers["llm"].capabilities == ModelCapabilities(tools=False)
    settings = await anyio.to_thread.run_sync(lambda: load_settings(env_file=None))
    async with load_providers(settings, said.append, choice) as providers:
        assert isinstance(providers.voice, FailoverVoice)
        assert providers.voice.capabilities.languages == ("de",)
        async with providers.of_session() as opened:
            assert isinstance(opened.recogniser, FailoverRecogniser)
            assert isinstance(opened.model, FailoverModel)
            events = [event async for event in opened.model.stream(())]
            assert isinstance(events[-1], Finished)
    assert Closable.closed == 1


EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
KEYS = ("DEEPGRAM_API_KEY", "OPENAI_API_KEY", "ELEVENLABS_API_KEY")


@pytest.mark.parametrize("name", ["local", "hosted"])
def test_the_complete_setups_of_the_documents_can_be_made(
    name: str, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for key in KEYS if name == "hosted" else ():
        environment.setenv(key, "a-key")
    secret = tmp_path / "secret"
    secret.write_text("a-key")
    text = (EXAMPLES / f"{name}.toml").read_text("utf-8").replace("/run/secrets/groq", str(secret))
    path = tmp_path / f"{name}.toml"
    path.write_text(text, "utf-8")
    configuration = load_configuration(path=path, env_file=None)
    assert {*configuration.choice.providers} >= {"stt", "llm", "tts", "vad"}
    assert configuration.crew.agents[0].greeting
    for kind, chosen in configuration.choice.providers.items():
        local = [part for part in chosen.parts if part.provider.name == "embedded"]
        if kind in ("llm", "tts") and not local:
            assert chosen.make() is not None


def test_hedging_is_a_setting_of_a_chain(environment: pytest.MonkeyPatch) -> None:
    table: dict[str, object] = {"use": "echo,other", "hedge": True}
    other = f"{HERE}:EchoModel"
    table["use"] = f"echo,{other}"
    choice = chosen({"llm": table}, llm=f"echo,{other}")
    assert not choice.faults
    made = choice.providers["llm"].make()
    assert isinstance(made, FailoverModel)
    assert made.hedges
    faults = chosen({"llm": {**table, "hedge": "yes"}}, llm=f"echo,{other}").faults
    assert faults == ("llm.hedge: is true or false",)


def test_a_recogniser_that_finds_the_ends_of_turns_is_not_hedged() -> None:
    use = "deepgram_flux,scripted"
    table: dict[str, object] = {
        "use": use,
        "hedge": True,
        "deepgram_flux": {"api_key": "k", "model": "flux-general-en"},
    }
    assert chosen({"stt": {**table, "hedge": False}}, stt=use).faults == ()
    (fault,) = chosen({"stt": table}, stt=use).faults
    assert fault.startswith("stt.hedge: 'deepgram_flux' finds the ends of turns itself")
    del table["deepgram_flux"]
    faults = chosen({"stt": table}, stt=use, end_of_turn="smart_turn").faults
    assert [fault.split(":")[0] for fault in faults] == [
        *("stt.hedge", "stt.api_key", "stt.model"),
        "end_of_turn",
    ]
    last: dict[str, object] = {
        **table,
        "use": "scripted,deepgram_flux",
        "deepgram_flux": {"api_key": "k", "model": "m"},
    }
    assert chosen({"stt": last}, stt="scripted,deepgram_flux").faults == ()
