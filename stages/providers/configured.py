"""A provider's settings from a table, the environment and files of secrets: checked, and each with its origin.

For a field `voice` of the recogniser "acme", the first of these wins: the variable `STAGEFLOW_VOICE_STT__ACME__VOICE`,
the key `voice` of the table, the file that the key `voice_file` names (its content is the value, for secrets), the
variable that the field itself names (`json_schema_extra={"env": "ACME_API_KEY"}`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from stages.providers.registry import NoSettings, Provider

PREFIX = "STAGEFLOW_VOICE_"
_FILE = "_file"
_NOT_IN_NAMES = re.compile(r"\W")
_ADDRESSES = {
    "^https?://": "http:// or https://",
    "^wss?://": "ws:// or wss://",
    "^(https?|wss?)://": "http://, https://, ws:// or wss://",
}
"""Patterns of addresses, in words."""


@dataclass(frozen=True, slots=True)
class Configured:
    """A provider and the settings that it is made with."""

    provider: Provider
    settings: BaseModel
    origins: Mapping[str, str]
    """Where each value that is not a default came from: `file`, or the name of a variable or of a file."""

    @property
    def parts(self) -> tuple["Configured", ...]:
        """What it consists of: itself, or the providers of a chain."""
        return (self,)

    @property
    def capabilities(self) -> Any:
        """What it declares that it can do; None for kinds that declare nothing."""
        return self.provider.capabilities

    def make(self) -> Any:
        """Load it. May block."""
        return self.provider.make(self.settings)


def configure(
    provider: Provider, table: Mapping[str, object], environment: Mapping[str, str]
) -> tuple[Configured | None, tuple[str, ...]]:
    """The provider with its settings, or None and every fault: a line each, naming the key and what to do."""
    values, origins, faults = _gather(provider, table, environment)
    faults += _unknown(provider, values)
    try:
        settings = provider.settings.model_validate(values)
    except ValidationError as error:
        return None, (*faults, *(_line(provider, fault) for fault in error.errors(include_url=False)))
    return (None if faults else Configured(provider, settings, origins)), tuple(faults)


def _unknown(provider: Provider, values: Mapping[str, object]) -> Iterator[str]:
    """Keys that a model of somebody's own would pass over in silence; one that forbids them says so itself."""
    fields, config = provider.settings.model_fields, provider.settings.model_config
    if config.get("extra", "ignore") != "ignore":
        return
    if any(field.validation_alias is not None for field in fields.values()):
        return  # it has names that only pydantic knows
    for key in values:
        if key not in fields:
            yield _no_such(provider, key)


def _no_such(provider: Provider, key: str) -> str:
    known = ", ".join(provider.settings.model_fields) or "none"
    return f"{provider.kind}.{key}: {provider.name!r} has no such setting; it has {known}"


def variable_of(provider: Provider, field: str) -> str:
    """The variable that sets a field of a provider."""
    return variables_prefix(provider.kind, provider.name) + field.upper()


def variables_prefix(kind: str, name: str) -> str:
    """With what the variables of a provider begin; for `module:Class` too, which no shell takes in a name."""
    return f"{PREFIX}{kind}__{_NOT_IN_NAMES.sub('_', name)}__".upper()


def own_variable(field: FieldInfo) -> str | None:
    """The variable that a field names itself, such as that of a key."""
    extra = field.json_schema_extra
    name = extra.get("env") if isinstance(extra, dict) else None
    return name if isinstance(name, str) else None


def _gather(
    provider: Provider, table: Mapping[str, object], environment: Mapping[str, str]
) -> tuple[dict[str, object], dict[str, str], list[str]]:
    fields = {} if provider.settings is NoSettings else provider.settings.model_fields
    values, origins, faults = dict(table), dict.fromkeys(table, "file"), list[str]()
    for name, field in fields.items():
        variable, own = variable_of(provider, name), own_variable(field)
        path = values.pop(name + _FILE, None) if name + _FILE not in fields else None
        if path is not None:
            del origins[name + _FILE]
        if variable in environment:
            values[name], origins[name] = environment[variable], variable
        elif name in table:
            continue
        elif path is not None:
            try:
                values[name], origins[name] = Path(str(path)).read_text("utf-8").strip(), str(path)
            except (OSError, UnicodeError) as error:
                faults.append(f"{provider.kind}.{name}{_FILE}: cannot read {path}: {error}")
        elif own is not None and environment.get(own):
            values[name], origins[name] = environment[own], own
    return values, origins, faults


def _line(provider: Provider, fault: Any) -> str:
    where = ".".join(map(str, fault["loc"]))
    key = f"{provider.kind}.{where}" if where else provider.kind
    fields = provider.settings.model_fields
    if fault["type"] == "extra_forbidden":
        return _no_such(provider, where)
    if fault["type"] == "missing":
        own = own_variable(fields[where]) if where in fields else None
        variable = own or variable_of(provider, where)
        return f"{key}: {provider.name!r} needs it: set {key}, or the variable {variable}"
    if fault["type"] == "string_pattern_mismatch" and (begins := _ADDRESSES.get(fault["ctx"]["pattern"])):
        return f"{key}: is no address; write one that begins with {begins}"
    return f"{key}: {fault['msg']}"
