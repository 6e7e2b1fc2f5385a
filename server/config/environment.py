"""Settings out of the environment and a `.env` file, or every fault at once: a line each, with the place of it."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, DotEnvSettingsSource, InitSettingsSource, SettingsError

from server.config.setting_names import name_faults
from server.config.settings import PREFIX, Settings
from server.domain.errors import ConfigError

PlaceOf = Callable[[str], str]
"""Says where the operator has written a setting."""


def load_settings(
    overrides: Mapping[str, Any] | None = None, env_file: Path | None = Path(".env")
) -> Settings:
    """The settings from the environment, with the command line's `overrides` on top.

    Raises ConfigError with one line for each wrong variable, and for each that is none.
    """
    settings, faults = read_settings(overrides or {}, env_file)
    if settings is None or faults:
        raise unusable(faults)
    return settings


def unusable(faults: Iterable[str]) -> ConfigError:
    """The error of a configuration with these faults, a line each."""
    return ConfigError("the configuration cannot be used:\n" + "\n".join(f"  {line}" for line in faults))


def read_settings(
    overrides: Mapping[str, Any],
    env_file: Path | None = Path(".env"),
    beneath: Mapping[str, Any] = MappingProxyType({}),
    place_of: PlaceOf | None = None,
) -> tuple[Settings | None, list[str]]:
    """The settings, or None, and every fault: a line each.

    What is `beneath` counts where neither `overrides` nor the environment say anything; `place_of` says for a field of
    it where it was written.
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    names = {*os.environ, *DotEnvSettingsSource(Settings, env_file=env_file).env_vars}
    faults = name_faults(names, Settings.model_fields, PREFIX)
    told = {
        field
        for field in beneath
        if field not in given and (PREFIX + field).upper() not in map(str.upper, names)
    }

    def place(field: str) -> str:
        return place_of(field) if place_of and field in told else variable_of(field)

    make = _above(beneath) if beneath else Settings
    settings = None
    try:
        settings = make(_env_file=env_file, **given)
    except ValidationError as error:
        faults += _lines(error, place) + _faults_beside(
            error, partial(make, _env_file=env_file), given, place
        )
    except SettingsError as error:  # JSON that is none: pydantic-settings stops at the first
        field = re.search(r'field "(\w+)"', str(error))
        faults.append(f"{PREFIX + field[1].upper() if field else 'a variable'}: not JSON")
    return settings, faults


def variable_of(field: str) -> str:
    """The variable that sets a field."""
    alias = Settings.model_fields[field].validation_alias if field in Settings.model_fields else None
    return alias if isinstance(alias, str) else field if field.isupper() else PREFIX + field.upper()


def _above(beneath: Mapping[str, Any]) -> type[Settings]:
    """Settings whose last source is this."""

    class Above(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *sources: Any, **named: Any
        ) -> tuple[Any, ...]:
            return (*sources, *named.values(), InitSettingsSource(settings_cls, init_kwargs=dict(beneath)))

    return Above


def _faults_beside(
    error: ValidationError,
    make: Callable[..., Settings],
    given: Mapping[str, Any],
    place: PlaceOf,
) -> list[str]:
    """What our own checks across fields find, which are not made while single fields are wrong."""
    wrong = {str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}
    if not wrong:
        return []
    fields = {name: field for name, field in Settings.model_fields.items() if name in wrong}
    try:
        make(**{**given, **{name: fields[name].default for name in fields}})
    except ValidationError as beside:
        return [line for line in _lines(beside, place) if line not in _lines(error, place)]
    return []


def _lines(error: ValidationError, place: PlaceOf) -> list[str]:
    lines = []
    for fault in error.errors(include_url=False):
        if not fault["loc"]:  # our own checks across fields: each line names its field already
            for line in fault["msg"].removeprefix("Value error, ").splitlines():
                field, _, rest = line.partition(":")
                lines.append(f"{place(field)}:{rest}")
            continue
        field, *parts = map(str, fault["loc"])
        variable = "__".join([place(field), *(part.upper() for part in parts)])
        hidden = "KEY" in variable.upper() or isinstance(fault["input"], dict)
        shown = "" if hidden else f" (got {fault['input']!r})"
        lines.append(f"{variable}: {fault['msg']}{shown}")
    return lines
