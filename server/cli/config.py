"""`stageflow-voice config`: whether the configuration is right, what it comes to and from where, its JSON schema."""

import argparse
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

from pydantic import BaseModel, SecretStr

from server.cli.targets import find_server, put_here_on_path
from server.config.choice import variables
from server.config.configuration import Configuration
from server.config.environment import variable_of
from server.config.setting_names import FILE_VARIABLE
from server.config.settings import Settings
from server.config.tables import Tables
from server.voice_server import VoiceServer
from stages.providers.configured import Configured

HIDDEN = "(hidden)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is to be done, and with which file."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, purpose in (
        ("check", "say everything that is wrong, and load nothing"),
        ("show", "show every value and where it came from; secrets are hidden"),
        ("schema", "print the JSON schema of the file, for editors"),
    ):
        action = actions.add_parser(name, help=purpose)
        if name != "schema":
            action.add_argument(
                "target", nargs="?", metavar="MODULE:APP", help="a VoiceServer of your own, as for serve"
            )
            action.add_argument(
                "--config", type=Path, help="the file (default: stageflow-voice.toml, if it is there)"
            )


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask. Raises ConfigError with every fault of the configuration."""
    if arguments.action == "schema":
        print(json.dumps(Tables.model_json_schema(), indent=2))
        return 0
    put_here_on_path()
    if arguments.config is not None:
        os.environ[FILE_VARIABLE] = str(arguments.config)
    server = find_server(arguments.target) if arguments.target else VoiceServer()
    configuration = server.configure()
    if arguments.action == "check":
        print(f"{arguments.target or configuration.file.path or 'the environment'}: nothing is wrong")
        return 0
    for line in show(configuration, variables()):
        print(line)
    return 0


def show(configuration: Configuration, environment: Mapping[str, str]) -> Iterator[str]:
    """A line for each value, with where it came from; secrets are hidden."""
    file = configuration.file
    yield f"# file: {file.path or f'none ({FILE_VARIABLE}, or --config)'}"
    for name in Settings.model_fields:
        value = _shown(getattr(configuration.settings, name))
        yield f"{name} = {value}  # {_origin(name, configuration, environment)}"
    for kind, chosen in configuration.choice.providers.items():
        yield from _of_provider(kind, chosen, file.path)
    for kind, made in configuration.choice.given.items():
        yield f"{kind}: {type(made).__name__} (an object of the program's)"
    for agent in configuration.crew.agents:
        yield f"agent {agent.name}: {_shown(agent)}"
        model = configuration.models.get(agent.name)
        if isinstance(model, Configured):
            yield from _of_provider(f"agent {agent.name}: llm", model, file.path)
    for route in configuration.crew.routes:
        yield f"route to {route.agent}: {_shown(route)}"
    if configuration.crew.tools:
        yield f"tools: {', '.join(tool.name for tool in configuration.crew.tools)}"


def _origin(name: str, configuration: Configuration, environment: Mapping[str, str]) -> str:
    """Where a setting of the server came from."""
    variable = variable_of(name)
    inside = [key for key in environment if key.startswith(f"{variable}__") and not _is_provider(name)]
    if name in configuration.overrides:
        return "the program"
    if variable in environment or inside:
        origin = ", ".join(inside) if inside else variable
        return origin + ("" if (inside[0] if inside else variable) in os.environ else " in .env")
    if name in configuration.file.settings:
        return configuration.file.place_of(name)
    return "default"


def _is_provider(name: str) -> bool:
    return name in ("stt", "llm", "tts", "vad", "end_of_turn")


def _of_provider(what: str, chosen: Configured, path: Path | None) -> Iterator[str]:
    yield f"{what}: {chosen.provider.name} ({chosen.provider.origin})"
    if len(chosen.parts) > 1:
        for part in chosen.parts:
            yield from _of_provider(f"{what}.{part.provider.name}", part, path)
    for name in type(chosen.settings).model_fields:
        origin = chosen.origins.get(name, "default")
        origin = str(path or "a setting of the server") if origin == "file" else origin
        yield f"{what}.{name} = {_shown(getattr(chosen.settings, name))}  # {origin}"


def _shown(value: Any) -> str:
    match value:
        case SecretStr():
            return HIDDEN
        case tuple() | list():
            return f"[{', '.join(map(_shown, value))}]"
        case BaseModel():
            given = {
                name: getattr(value, name)
                for name in type(value).model_fields
                if getattr(value, name) is not None
            }
            return f"{{{', '.join(f'{name}: {_shown(one)}' for name, one in given.items())}}}"
        case Mapping():
            return f"{{{', '.join(f'{name}: {_secret_or(name, one)}' for name, one in value.items())}}}"
        case type() | FunctionType():
            return value.__name__
        case str() | Path():
            return json.dumps(_without_password(str(value)), ensure_ascii=False)
        case _:
            return str(value)


def _secret_or(name: str, value: Any) -> str:
    return (
        HIDDEN
        if isinstance(value, str) and any(part in str(name).lower() for part in ("key", "secret", "token"))
        else _shown(value)
    )


def _without_password(text: str) -> str:
    before, at, after = text.rpartition("@")
    scheme, separator, login = before.partition("://")
    return f"{scheme}://{HIDDEN}@{after}" if at and separator and ":" in login else text
