"""Finds a provider by its name, and checks it and its settings before anything is loaded.

A name resolves to what is built in, then to an entry point of an installed package (group `stageflow_voice.<kind>`),
then, if it is `module:Class`, to that class. Only the module that is named is imported: entry points are read as
metadata.

A provider is a class with

- `interface = 1`, the version of `stages.ports` that it was written for,
- a docstring, whose first line says in the list of providers what it is, and maybe a `title`, which people are told
  when it is in use (`{field}` in it stands for one of its settings); without one it is called by its name,
- `capabilities`, for a recogniser, a language model or a voice,
- `Settings`, a pydantic model of what may be configured, if there is anything,
- the methods of its kind's protocol (`stages.ports`),

and is made by `from_settings(settings)` if it has that, otherwise by calling the class with its settings. Making it may
block (it loads models), so it happens in a thread; it must not start a task. Extra: one that must be closed has
`close()`, plain or async; one of somebody else's runs on an event loop of its own, where it may block, unless it says
`apart = False` or has a method that cannot be called from another one (`session`, `utterance`, `open_turns`).
"""

import difflib
import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, distributions
from importlib.util import find_spec
from typing import Any

from pydantic import BaseModel, ConfigDict

from stages.errors import StagesError
from stages.ports import INTERFACE, ModelCapabilities, RecogniserCapabilities, SynthesiserCapabilities
from stages.providers.built_in import BUILT_IN, Kind
from stages.providers.tied import apart_faults, goes_apart

GROUP = "stageflow_voice"


_CAPABILITIES: Mapping[Kind, type] = {
    "stt": RecogniserCapabilities,
    "llm": ModelCapabilities,
    "tts": SynthesiserCapabilities,
}

_METHODS: Mapping[Kind, Sequence[tuple[str, ...]]] = {
    "stt": (("open", "open_turns", "session"), ("rate_hz",)),
    "llm": (("stream", "session"),),
    "tts": (("stream", "utterance", "session"), ("voices",), ("rate_hz",)),
    "vad": (("open",),),
    "end_of_turn": (("open",),),
    "tools": (("tools",),),
    "stage": (("execute",),),
}
"""For each kind what a class must have: of each tuple at least one."""


class ProviderFault(StagesError):
    """A provider that cannot be used. `faults` are all reasons, each a line with its remedy."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class NoSettings(BaseModel):
    """The settings of a provider that has none."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider's class, and where it was found."""

    kind: Kind
    name: str
    made_by: type
    origin: str
    """`built in`, the package and its version, or the path of the module."""
    settings: type[BaseModel] = field(default=NoSettings)

    @property
    def about(self) -> str:
        """One line about it, by itself."""
        return (inspect.getdoc(self.made_by) or "").partition("\n")[0]

    @property
    def capabilities(self) -> Any:
        """What it declares that it can do; None for kinds that declare nothing."""
        return getattr(self.made_by, "capabilities", None)

    def make_itself(self, settings: BaseModel) -> Any:
        """Load it, to be used on the loop of who asks, wherever it runs in a server. May block."""
        make = getattr(self.made_by, "from_settings", self.made_by)
        return make() if self.settings is NoSettings and make is self.made_by else make(settings)

    def make(self, settings: BaseModel) -> Any:
        """Load it. May block."""
        made = self.make_itself(settings)
        if not goes_apart(self.kind, self.made_by, made):
            return made
        from stages.providers.apart import APART

        return APART[self.kind](made)


def find_provider(kind: Kind, name: str) -> Provider:
    """The provider of this name. Raises ProviderFault, which says all that is wrong with it."""
    found, origin = _locate(kind, name)
    faults = list(_class_faults(kind, name, found))
    if faults:
        raise ProviderFault(faults)
    return Provider(kind, name, found, origin, getattr(found, "Settings", NoSettings))


def provider_of(kind: Kind, found: type) -> Provider:
    """A class that somebody hands over as a provider. Raises ProviderFault."""
    faults = list(_class_faults(kind, found.__name__, found))
    if faults:
        raise ProviderFault(faults)
    return Provider(kind, found.__name__, found, found.__module__, getattr(found, "Settings", NoSettings))


def object_faults(kind: Kind, made: object) -> list[str]:
    """What a provider that is made already lacks."""
    return list(_missing_methods(kind, type(made).__name__, made))


def declared_kind(path: str) -> Kind | None:
    """The kind that `module:Class` is by the capabilities that it declares. Raises ProviderFault if it is not there."""
    declared = getattr(_import(repr(path), path), "capabilities", None)
    return next((kind for kind, made_by in _CAPABILITIES.items() if isinstance(declared, made_by)), None)


def known_names(kind: Kind) -> tuple[str, ...]:
    """The names of all providers of a kind that are built in or installed."""
    return tuple(sorted({*BUILT_IN[kind], *_entry_points(kind)}))


def _locate(kind: Kind, name: str) -> tuple[type, str]:
    if name in BUILT_IN[kind]:
        entry = BUILT_IN[kind][name]
        missing = [package for package in entry.requires if find_spec(package) is None]
        if missing:
            raise ProviderFault([_not_installed(kind, name, missing[0], entry.extra or missing[0])])
        return _import(f"{kind} {name!r}", entry.target), "built in"
    if (point := _entry_points(kind).get(name)) is not None:
        package = f"{point.dist.name} {point.dist.version}" if point.dist else "a package"
        return _import(f"{kind} {name!r}", point.value.partition(" ")[0]), package
    module, colon, attribute = name.partition(":")
    if colon and module and attribute:
        found = _import(f"{kind} {name!r}", name)
        return found, str(getattr(sys.modules[module], "__file__", module))
    raise ProviderFault([_unknown(kind, name)])


def _entry_points(kind: Kind) -> Mapping[str, EntryPoint]:
    return _installed().get(f"{GROUP}.{kind}", {})


@cache
def _installed() -> Mapping[str, Mapping[str, EntryPoint]]:
    """By group, what installed packages bring. One look for all kinds, which parses only what is for us: to have
    `importlib.metadata` find a group takes 20 ms among 130 packages, this 6 ms. Of two of a name the first counts."""
    found: dict[str, dict[str, EntryPoint]] = {}
    for package in distributions():
        if f"[{GROUP}." in (package.read_text("entry_points.txt") or ""):
            for point in package.entry_points:
                found.setdefault(point.group, {}).setdefault(point.name, point)
    return found


def _import(what: str, target: str) -> type:
    module, _, attribute = target.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except ImportError as error:
        raise ProviderFault([f"{what}: cannot import {module!r} ({error})"]) from error
    except Exception as error:
        raise ProviderFault([f"{what}: importing {module!r} failed: {error!r}"]) from error
    for part in attribute.split("."):
        found = getattr(found, part, None)
        if found is None:
            raise ProviderFault([f"{what}: {module!r} has no {attribute!r}"])
    if not isinstance(found, type):
        raise ProviderFault([f"{what} is {type(found).__name__}, not a class"])
    return found


def _not_installed(kind: Kind, name: str, package: str, extra: str) -> str:
    return (
        f"{kind} {name!r} needs the package {package!r}, which is not installed: "
        f"`scripts/setup {extra}`, or `pip install 'stageflow-voice[{extra}]'`"
    )


def _unknown(kind: Kind, name: str) -> str:
    names = known_names(kind)
    near = difflib.get_close_matches(name, names, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    there = f"there are {', '.join(names)}" if names else "there are none"
    return (
        f"{kind} {name!r} is not built in, no installed package has it as entry point {GROUP}.{kind}, "
        f"and it is not a `module:Class`: {there}.{meant}"
    )


def _missing_methods(kind: Kind, name: str, found: object) -> Iterator[str]:
    for methods in _METHODS[kind]:
        if not any(hasattr(found, method) for method in methods):
            wanted = " or ".join(f"`{method}`" for method in methods)
            yield f"{kind} {name!r} has no {wanted}, which `stages.ports` asks for"


def _class_faults(kind: Kind, name: str, found: type) -> Iterator[str]:
    what = f"{kind} {name!r}"
    interface = getattr(found, "interface", None)
    if interface != INTERFACE:
        says = f"was written for interface {interface}" if interface else "does not say its `interface`"
        yield f"{what} {says}; this server has {INTERFACE}: set `interface = {INTERFACE}` once it fits `stages.ports`"
    yield from _missing_methods(kind, name, found)
    if (declared := _CAPABILITIES.get(kind)) and not isinstance(
        getattr(found, "capabilities", None), declared
    ):
        yield f"{what} declares no `capabilities = {declared.__name__}(...)`"
    if getattr(found, "apart", False):
        yield from apart_faults(kind, what, found)
    settings = getattr(found, "Settings", NoSettings)
    if not (isinstance(settings, type) and issubclass(settings, BaseModel)):
        yield f"{what}: its `Settings` is not a pydantic model"
