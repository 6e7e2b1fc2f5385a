"""Chains of providers in the configuration: what all of a chain can do, and which cannot be one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from stages.ports import RecogniserCapabilities
from stages.providers.built_in import Kind
from stages.providers.configured import Configured
from stages.providers.registry import NoSettings, Provider, ProviderFault, find_provider

_MADE_BY: Mapping[Kind, tuple[str, str]] = {
    "stt": ("recogniser", "FailoverRecogniser"),
    "llm": ("model", "FailoverModel"),
    "tts": ("voice", "FailoverVoice"),
}
"""Modules of `stages.providers.failover` and their classes: imported where there is a chain."""

Find = Callable[[str, Mapping[str, object]], tuple[Configured | None, tuple[str, ...]]]
"""A provider by its name, with the settings of its own table; or every fault of it."""


@dataclass(frozen=True, slots=True)
class ConfiguredChain(Configured):
    """Providers of which the next takes over when one fails."""

    links: tuple[Configured, ...]
    hedge: bool = False
    """Whether the next is asked beside one that is later than it usually is."""

    @property
    def parts(self) -> tuple[Configured, ...]:
        """The providers of the chain, the first choice first."""
        return self.links

    @property
    def capabilities(self) -> Any:
        """What all providers of the chain can do."""
        return self.provider.made_by.common([link.capabilities for link in self.links])  # type: ignore[attr-defined]

    def make(self) -> Any:
        """Load all providers of the chain. May block."""
        made = {link.provider.name: link.make() for link in self.links}
        options = {"hedge": True} if self.hedge else {}
        return self.provider.made_by.of(made, **options)  # type: ignore[attr-defined]


def names_in(use: str) -> tuple[str, ...]:
    """The names of a chain, or the one name."""
    return tuple(name.strip() for name in use.split(","))


def declared(kind: Kind, name: str) -> Any:
    """What a provider, or the first of a chain, says that it can do, though its settings may be wrong: what does not go
    with it is told with them. None of one that there is not."""
    try:
        return find_provider(kind, names_in(name)[0]).capabilities
    except ProviderFault:
        return None


def owns_turns(able: Any) -> bool:
    """Whether a recogniser that can do this finds the ends of turns."""
    return isinstance(able, RecogniserCapabilities) and able.turns == "theirs"


def chain_of(
    kind: Kind, names: Sequence[str], table: Mapping[str, object], find: Find
) -> tuple[Configured | None, tuple[str, ...]]:
    """The chain of these providers, each with its own table in that of the kind; or None and every fault of it."""
    faults = list(_faults(kind, names, table))
    links = list[Configured]()
    for name in dict.fromkeys(names):
        own = table.get(name)
        link, wrong = find(name, own if isinstance(own, Mapping) else {})
        faults += wrong
        if link is not None:
            links.append(link)
    if not faults:
        faults += _clashes(kind, links)
    if faults:
        return None, tuple(faults)
    provider = Provider(kind, ",".join(names), _made_by(kind), "a chain")
    return ConfiguredChain(provider, NoSettings(), {}, tuple(links), table.get("hedge") is True), ()


def _made_by(kind: Kind) -> Any:
    module, name = _MADE_BY[kind]
    return getattr(import_module(f"stages.providers.failover.{module}"), name)


def _faults(kind: Kind, names: Sequence[str], table: Mapping[str, object]) -> Iterator[str]:
    if kind not in _MADE_BY:
        yield f"{kind}: has no chain, as {', '.join(_MADE_BY)} may have: name one provider"
    if len({*names}) != len(names):
        yield f"{kind}: {','.join(names)!r} names a provider twice"
    if not isinstance(table.get("hedge", False), bool):
        yield f"{kind}.hedge: is true or false"
    elif table.get("hedge") and owns_turns(declared(kind, names[0])):
        yield (
            f"{kind}.hedge: {names[0]!r} finds the ends of turns itself, so that no other can hear a turn beside it: "
            f"put one that does not first in {kind}.use, or leave hedge out"
        )
    for key in table:
        if key not in ("use", "hedge") and key not in names:
            yield f"{kind}.{key}: in a chain a setting is in the table of its provider, such as [{kind}.{names[0]}]"


def _clashes(kind: Kind, links: Sequence[Configured]) -> Iterator[str]:
    """What cannot stand in for each other."""
    for link in links:
        if hasattr(link.provider.made_by, "session_tools"):
            what = f"{kind}: {link.provider.name!r}"
            yield f"{what} brings tools of its own, which the others of a chain do not have: use it alone"
    if not _made_by(kind).common([link.capabilities for link in links]).languages:
        yield f"{kind}: there is no language that all of {', '.join(one.provider.name for one in links)} know"
