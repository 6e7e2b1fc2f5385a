"""Which provider stands behind which port: the names in the settings, found and checked before anything is loaded."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_settings import DotEnvSettingsSource

from server.config.chains import chain_of, declared, names_in, owns_turns
from server.config.environment import read_settings
from server.config.optional_file import content_of
from server.config.settings import PREFIX, Settings
from stages.providers.built_in import Kind
from stages.providers.configured import Configured, configure
from stages.providers.registry import ProviderFault, find_provider

NONE = "none"
"""The name that stands for no provider, where one may be left out."""

KINDS: tuple[Kind, ...] = ("stt", "llm", "tts", "vad", "end_of_turn")
"""The kinds of which a session has one provider each."""

MAY_BE_NONE: frozenset[Kind] = frozenset({"end_of_turn"})

Tables = Mapping[str, Mapping[str, object]]
"""By kind, the settings of the provider that the configuration file chooses, and `use`, its name."""

_OWN: Mapping[tuple[Kind, str], Mapping[str, str]] = {
    ("stt", "embedded"): {"threads": "model_threads"},
    ("stt", "moonshine"): {"threads": "model_threads"},
    ("stt", "whisper"): {"threads": "model_threads"},
    ("stt", "whisper_base"): {"threads": "model_threads", "language": "language"},
    ("tts", "embedded"): {"threads": "model_threads"},
    ("tts", "pico"): {"language": "language"},
    ("tts", "by_language"): {"threads": "model_threads", "language": "language"},
    ("tts", "kokoro"): {"threads": "model_threads", "language": "language"},
    ("vad", "webrtc"): {"mode": "vad_mode"},
    ("llm", "demo"): {"booking_db": "booking_db"},
    ("llm", "openai"): {
        "model": "openai_model",
        "base_url": "openai_base_url",
        "api_key": "openai_api_key",
    },
}
"""Settings of built-in providers that are settings of the server too, under a name of their own."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The providers of a server by kind, checked and not loaded. A kind that is not there has none."""

    providers: Mapping[Kind, Configured]
    faults: tuple[str, ...] = ()
    """Everything that is wrong, a line each."""
    given: Mapping[Kind, object] = field(default_factory=dict)
    """Providers that are made already, in place of those."""


def choose(
    settings: Settings,
    tables: Tables | None = None,
    given: Mapping[Kind, object] | None = None,
    env_file: Path | None = Path(".env"),
) -> Choice:
    """The providers that the settings name. Imports the modules that are named, and no others."""
    environment, given = variables(env_file), given or {}
    found, faults, able = dict[Kind, Configured](), list[str](), _of(given)
    for kind in KINDS:
        if kind in given or (kind in MAY_BE_NONE and name_of(settings, kind) == NONE):
            continue
        if (
            kind == "end_of_turn"
            and "end_of_turn" not in settings.model_fields_set
            and owns_turns(able.get("stt"))
        ):
            continue  # it is there for recognisers that do not find the ends of turns themselves
        name = name_of(settings, kind)
        provider, wrong = configured(kind, name, settings, tables or {}, environment)
        faults += wrong
        if provider is not None:
            found[kind] = provider
        able[kind] = provider.capabilities if provider is not None else declared(kind, name)
    faults += _clashes(able)
    return Choice(found, tuple(faults), given)


def name_of(settings: Settings, kind: Kind) -> str:
    """The name of the provider of this kind."""
    return settings.llm_name if kind == "llm" else str(getattr(settings, kind))


def configured(
    kind: Kind, name: str, settings: Settings, tables: Tables, environment: Mapping[str, str]
) -> tuple[Configured | None, tuple[str, ...]]:
    """The provider of this name with its settings, or the chain of those in it, or None and every fault of it."""
    names, table = names_in(name), tables.get(kind, {})
    table = table if names_in(str(table.get("use"))) == names else {}
    if len(names) == 1:
        own = {key: value for key, value in table.items() if key != "use"}
        return _one(kind, names[0], settings, own, environment)
    return chain_of(kind, names, table, lambda one, own: _one(kind, one, settings, own, environment))


def chosen_alone(
    kind: Kind, name: str, path: Path | None, env_file: Path | None = Path(".env")
) -> tuple[Configured | None, tuple[str, ...]]:
    """One provider as file and environment have it, whatever else is in them; or None and every fault of it."""
    content, faults = content_of(path)
    if faults and kind not in content.providers:
        return None, faults
    settings, _ = read_settings({}, env_file, content.settings, content.place_of)
    table = content.providers.get(kind, {})
    if name in names_in(str(table.get("use"))) and "," in str(table.get("use")):
        own = table.get(name)
        table = {**(own if isinstance(own, Mapping) else {}), "use": name}
    return configured(kind, name, settings or Settings.model_construct(), {kind: table}, variables(env_file))


def _one(
    kind: Kind, name: str, settings: Settings, own: Mapping[str, object], environment: Mapping[str, str]
) -> tuple[Configured | None, tuple[str, ...]]:
    try:
        provider = find_provider(kind, name)
    except ProviderFault as fault:
        return None, fault.faults
    usual = {
        key: value
        for key, setting in _OWN.get((kind, name), {}).items()
        if key not in own
        and f"{key}_file" not in own
        and (value := _plain(getattr(settings, setting))) is not None
    }
    return configure(provider, {**usual, **own}, environment)


def variables(env_file: Path | None = Path(".env")) -> Mapping[str, str]:
    """The environment, and what the `.env` file adds to it."""
    beside = DotEnvSettingsSource(Settings, env_file=env_file).env_vars
    return {name.upper(): value for name, value in beside.items() if value is not None} | dict(os.environ)


def _plain(value: Any) -> object:
    """A secret as its text: the provider keeps it as a secret of its own."""
    reveal = getattr(value, "get_secret_value", None)
    return (reveal() if reveal else value) or None


def _of(given: Mapping[Kind, object]) -> dict[Kind, Any]:
    return {kind: getattr(made, "capabilities", None) for kind, made in given.items()}


def _clashes(capabilities: Mapping[Kind, Any]) -> Iterator[str]:
    """What cannot work together."""
    if not owns_turns(capabilities.get("stt")):
        return
    if "end_of_turn" in capabilities:
        yield (
            "end_of_turn: two would find the ends of turns, this model and the recogniser, which does it itself: "
            f"set {PREFIX}END_OF_TURN={NONE}, or choose another recogniser"
        )
