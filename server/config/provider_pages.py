"""What people are told of a provider: where it is from, whether it can be used here, what can be set."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from stages.providers.built_in import Kind
from stages.providers.configured import own_variable, variable_of, variables_prefix
from stages.providers.registry import NoSettings, Provider, ProviderFault, find_provider, known_names


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting of a provider."""

    name: str
    type: str
    default: str
    variable: str | None
    about: str


@dataclass(frozen=True, slots=True)
class ProviderPage:
    """What people are told of one provider; one that cannot be used has a fault, and nothing else is known of it."""

    kind: Kind
    name: str
    origin: str = ""
    about: str = ""
    key_state: str = ""
    """Whether the keys that it needs are in the environment."""
    capabilities: tuple[tuple[str, object], ...] = ()
    settings: tuple[SettingRow, ...] = ()
    fault: str = ""

    def variable(self, field: str) -> str:
        """The variable that sets a field of it."""
        return variables_prefix(self.kind, self.name) + field


def pages(kind: Kind, environment: Mapping[str, str], name: str | None = None) -> Iterator[ProviderPage]:
    """The providers of a kind, or the one of this name, if there is one."""
    names = known_names(kind)
    wanted = names if name is None else [name] if name in names or ":" in name else []
    for one in wanted:
        try:
            yield _page(find_provider(kind, one), environment)
        except ProviderFault as fault:
            if ":" not in one or name is None:
                yield ProviderPage(kind, one, fault="\n".join(fault.faults))


def _page(provider: Provider, environment: Mapping[str, str]) -> ProviderPage:
    fields = {} if provider.settings is NoSettings else provider.settings.model_fields
    declared = provider.capabilities
    able = asdict(declared) if is_dataclass(declared) and not isinstance(declared, type) else {}
    return ProviderPage(
        provider.kind,
        provider.name,
        provider.origin,
        provider.about,
        _key_state(provider, fields, environment),
        tuple(able.items()),
        tuple(_row(name, info) for name, info in fields.items()),
    )


def _key_state(provider: Provider, fields: Mapping[str, FieldInfo], environment: Mapping[str, str]) -> str:
    for name, info in fields.items():
        if not _is_secret(info):
            continue
        variables = [variable for variable in (own_variable(info), variable_of(provider, name)) if variable]
        present = next((variable for variable in variables if environment.get(variable)), None)
        if present:
            return f"key in {present}"
        return f"no key ({variables[0]})" + ("" if info.is_required() else ", not always needed")
    return "needs no key"


def _is_secret(info: FieldInfo) -> bool:
    return SecretStr in (info.annotation, *get_args(info.annotation))


def _row(name: str, info: FieldInfo) -> SettingRow:
    default = (
        "needed" if info.is_required() else f"default {_text(info.get_default(call_default_factory=True))}"
    )
    return SettingRow(name, _type_of(info.annotation), default, own_variable(info), info.description or "")


def _text(value: Any) -> str:
    return "none" if value is None else str(value)


def _type_of(annotation: Any) -> str:
    text = (
        annotation.__name__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)
    )
    for module in ("typing.", "pydantic.types.", "pathlib."):
        text = text.replace(module, "")
    return text
