"""Providers by name: where they are looked for, what is said of those that cannot be used, and what is imported."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from stages.providers import registry
from stages.providers.built_in import BUILT_IN, KINDS, BuiltIn, Kind
from stages.providers.configured import configure
from stages.providers.registry import ProviderFault, find_provider, known_names, provider_of
from stages.testing.fakes import ScriptedVoice

GOOD = '''
"""A recogniser in one file."""
from pydantic import BaseModel, ConfigDict, SecretStr, Field
from stages.ports import RecogniserCapabilities

class Mine:
    """Hears nothing."""
    interface = 1
    apart = False
    capabilities = RecogniserCapabilities()
    rate_hz = 16000
    class Settings(BaseModel):
        model_config = ConfigDict(extra="forbid")
        url: str
        key: SecretStr | None = Field(None, json_schema_extra={"env": "MINE_KEY"})
        retries: int = 3
    def __init__(self, settings):
        self.settings = settings
    def open(self, on_partial=None, *, hints=None): ...

class Bad:
    interface = 7
    Settings = 3

class Unversioned(Mine):
    interface = None
not_a_class = 3
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "mine_stt.py").write_text(GOOD)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "mine_stt"
    sys.modules.pop("mine_stt", None)


@pytest.fixture
def package(module: str, tmp_path: Path) -> Iterator[None]:
    for name, point in (("acme", "mine_stt:Mine"), ("broken", "no_such_module_at_all:X")):
        info = tmp_path / f"{name}_voice-2.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-voice\nVersion: 2.1\n")
        (info / "entry_points.txt").write_text(f"[stageflow_voice.stt]\n{name} = {point}\n")
    registry._installed.cache_clear()  # noqa: SLF001 - packages are installed before a server starts
    yield
    registry._installed.cache_clear()  # noqa: SLF001


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in BUILT_IN[kind]])
def test_what_is_built_in_is_complete(kind: Kind, name: str) -> None:
    try:
        provider = find_provider(kind, name)
    except ProviderFault as fault:
        if "which is not installed: `scripts/setup " in str(fault):
            pytest.skip(str(fault))
        raise
    assert provider.origin == "built in"
    assert provider.about.endswith(".")
    assert (provider.capabilities is not None) == (kind in ("stt", "llm", "tts"))


def test_a_class_by_path(module: str) -> None:
    provider = find_provider("stt", f"{module}:Mine")
    assert provider.about == "Hears nothing."
    assert provider.origin.endswith("mine_stt.py")


def test_a_package_by_its_entry_point(package: None) -> None:
    assert find_provider("stt", "acme").origin == "acme-voice 2.1"
    assert {"acme", "broken", "embedded"} <= {*known_names("stt")}
    with pytest.raises(ProviderFault, match="no_such_module_at_all"):
        find_provider("stt", "broken")


def test_only_what_is_named_is_imported(package: None) -> None:
    find_provider("stt", "scripted")
    known_names("stt")
    assert "mine_stt" not in sys.modules


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("embeded", "Did you mean 'embedded'?"),
        ("deep:", "is not a `module:Class`"),
        ("no_such_module_at_all:Thing", "cannot import 'no_such_module_at_all'"),
        ("mine_stt:Missing", "has no 'Missing'"),
        ("mine_stt:not_a_class", "is int, not a class"),
        ("mine_stt:Unversioned", "does not say its `interface`"),
    ],
)
def test_what_cannot_be_found_says_why(module: str, name: str, said: str) -> None:
    with pytest.raises(ProviderFault) as caught:
        find_provider("stt", name)
    assert said in str(caught.value)


def test_all_faults_of_a_class_are_told_at_once(module: str) -> None:
    with pytest.raises(ProviderFault) as caught:
        find_provider("stt", "mine_stt:Bad")
    (interface, method, rate, capabilities, settings) = caught.value.faults
    assert "interface 7; this server has 1" in interface
    assert "`open` or `open_turns`" in method
    assert "`rate_hz`" in rate
    assert "capabilities = RecogniserCapabilities" in capabilities
    assert "not a pydantic model" in settings


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = BuiltIn("stages.testing.fakes:ScriptedRecogniser", "absent", ("no_such_package",))
    monkeypatch.setitem(BUILT_IN["stt"], "absent", absent)
    with pytest.raises(ProviderFault, match=r"needs the package 'no_such_package'.*scripts/setup absent"):
        find_provider("stt", "absent")


def test_where_settings_come_from(module: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    provider = find_provider("stt", f"{module}:Mine")
    table: dict[str, object] = {"url": "ws://file", "key_file": str(secret)}
    configured, faults = configure(provider, table, {"MINE_KEY": "from the variable"})
    assert faults == ()
    assert configured is not None
    assert configured.make().settings.key.get_secret_value() == "s3cret"
    assert configured.origins == {"url": "file", "key": str(secret)}
    own = "STAGEFLOW_VOICE_STT__MINE_STT_MINE__URL"
    configured, _ = configure(provider, {"url": "ws://file"}, {own: "ws://variable", "MINE_KEY": "k"})
    assert configured is not None
    assert configured.make().settings.url == "ws://variable"
    assert configured.origins == {"url": own, "key": "MINE_KEY"}


def test_all_faults_of_settings_are_told_at_once(module: str) -> None:
    provider = find_provider("stt", f"{module}:Mine")
    configured, faults = configure(provider, {"retries": "many", "voice": "x", "key_file": "/no/file"}, {})
    assert configured is None
    assert len(faults) == 4
    told = "\n".join(faults)
    assert "stt.key_file: cannot read /no/file" in told
    assert "stt.url: 'mine_stt:Mine' needs it" in told
    assert "stt.retries: Input should be a valid integer" in told
    assert "stt.voice: 'mine_stt:Mine' has no such setting; it has url, key, retries" in told


def test_a_key_that_a_model_of_settings_would_pass_over_is_named() -> None:
    class Beeps(ScriptedVoice):
        """Beeps."""

        class Settings(BaseModel):
            pitch_hz: float = 440.0

    provider = provider_of("tts", Beeps)
    assert configure(provider, {"pitch_hz": 3}, {})[1] == ()
    assert configure(provider, {"pich": 3}, {})[1] == (
        "tts.pich: 'Beeps' has no such setting; it has pitch_hz",
    )
