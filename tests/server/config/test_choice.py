"""Which providers the settings choose, and every fault in that at once, before anything is loaded."""

import os

import pytest

from server.config.choice import choose
from server.config.environment import load_settings
from server.config.providers import title_of


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in os.environ:
        if name.startswith(("STAGEFLOW_VOICE_", "OPENAI_")):
            monkeypatch.delenv(name)
    return monkeypatch


def faults(tables: dict[str, dict[str, object]] | None = None, **settings: object) -> tuple[str, ...]:
    cheap = {"stt": "scripted", "llm": "echo", "tts": "scripted", "vad": "webrtc", "end_of_turn": "none"}
    return choose(load_settings(cheap | settings, env_file=None), tables).faults


def test_without_a_chat_model_the_demo_answers(environment: pytest.MonkeyPatch) -> None:
    assert load_settings(env_file=None).llm_name == "demo"
    environment.setenv("OPENAI_BASE_URL", "http://localhost:11434/v1")
    environment.setenv("OPENAI_MODEL", "llama3")
    settings = load_settings(env_file=None)
    assert settings.llm_name == "openai"
    assert title_of("llm", choose(settings)) == "llama3 (chat model)"
    assert load_settings({"agent": "scripted"}, env_file=None).llm_name == "echo"


def test_a_provider_that_does_not_exist_is_named_with_what_there_is() -> None:
    (fault,) = faults(stt="scriptd")
    for part in (
        "stt 'scriptd'",
        "built in",
        "stageflow_voice.stt",
        "module:Class",
        "Did you mean 'scripted'",
    ):
        assert part in fault


def test_a_wrong_key_in_a_provider_s_table_is_named_with_those_it_has() -> None:
    (fault,) = faults({"stt": {"use": "scripted", "text": ["hello"]}})
    assert fault == "stt.text: 'scripted' has no such setting; it has texts, delay_ms"


def test_a_table_is_of_the_provider_that_it_names() -> None:
    assert faults({"stt": {"use": "acme", "voice": "x"}}) == ()


def test_the_environment_sets_what_a_provider_has(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("STAGEFLOW_VOICE_TTS__SCRIPTED__FIRST_AUDIO_MS", "soon")
    (fault,) = faults()
    assert fault.startswith("tts.first_audio_ms: Input should be a valid number")


def test_all_that_is_wrong_is_told_at_once() -> None:
    module = "tests.server.config.bad_providers"
    found = "\n".join(
        faults(
            stt=f"{module}:Mute", llm=f"{module}:Old", tts="no.such.module:Voice", vad=f"{module}:no_class"
        )
    )
    assert "stt 'tests.server.config.bad_providers:Mute' has no `open`" in found
    assert (
        "llm 'tests.server.config.bad_providers:Old' was written for interface 2; this server has 1" in found
    )
    assert "tts 'no.such.module:Voice': cannot import 'no.such.module'" in found
    assert "vad 'tests.server.config.bad_providers:no_class' is function, not a class" in found


def test_a_secret_that_is_missing_is_named_with_its_variable() -> None:
    (fault,) = faults(llm="tests.server.config.bad_providers:Locked")
    assert fault == (
        "llm.api_key: 'tests.server.config.bad_providers:Locked' needs it: "
        "set llm.api_key, or the variable LOCKED_API_KEY"
    )


def test_one_only_finds_the_ends_of_turns() -> None:
    (fault,) = faults(stt="tests.server.config.bad_providers:EndsTurns", end_of_turn="smart_turn")
    assert fault.startswith("end_of_turn: two would find the ends of turns")
    assert faults(stt="tests.server.config.bad_providers:EndsTurns") == ()


def test_one_line_chooses_a_recogniser_that_finds_the_ends_of_turns() -> None:
    table: dict[str, object] = {"use": "deepgram_flux", "api_key": "k", "model": "flux-general-en"}
    assert faults({"stt": table}, stt="deepgram_flux") == ()
