"""Which variables there are, and which one somebody meant who has written another."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stages.providers.built_in import KINDS
from stages.runtime.model_lock import WHEELS_VARIABLE, load_lock
from stages.runtime.models import CACHE_VARIABLE

FILE_VARIABLE = "STAGEFLOW_VOICE_CONFIG"
"""Where the configuration file is."""


def name_faults(given: Iterable[str], fields: Mapping[str, FieldInfo], prefix: str) -> list[str]:
    """A line for each name given that begins as ours do and is none of them; their case does not matter.

    Ours are the variables of settings with these fields, and those of the models' files. Those of providers,
    `STAGEFLOW_VOICE_STT__ACME__VOICE`, are the providers' business.
    """
    known = {CACHE_VARIABLE, WHEELS_VARIABLE, FILE_VARIABLE}.union(
        *(_names(*field, prefix) for field in fields.items())
    )
    unknown = {name for name in map(str.upper, given) if name.startswith(prefix)} - known
    unknown = {name for name in unknown if not name.startswith(_of_providers(prefix))}
    if unknown:  # only then is a file worth reading
        known |= {model.override for model in load_lock().values() if model.override}
    short = {name.removeprefix(prefix): name for name in known}
    return [
        f"{name}: is no setting{_nearest(name.removeprefix(prefix), short)}"
        for name in sorted(unknown - known)
    ]


def _of_providers(prefix: str) -> tuple[str, ...]:
    return tuple(f"{prefix}{kind}__".upper() for kind in KINDS)


def _names(name: str, field: FieldInfo, prefix: str) -> set[str]:
    if isinstance(field.validation_alias, str):
        return {field.validation_alias}
    variable, kind = prefix + name.upper(), field.annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {variable, *(f"{variable}__{part.upper()}" for part in kind.model_fields)}
    return {variable}


def _nearest(name: str, short: Mapping[str, str]) -> str:
    near = get_close_matches(name, short, n=1)
    return f"; did you mean {short[near[0]]}?" if near else ""
