"""What the lock file says of the embedded models: the packages that each comes in, and the hash of each file."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

LOCK_FILE = Path(__file__).with_name("models.lock.toml")
WHEELS_VARIABLE = "STAGEFLOW_VOICE_WHEELS"
_NAMED = 4
"""So many packages or files are named in an error; who needs more of them reads the lock file."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside a wheel, and what it must be."""

    path: str
    sha256: str
    """Empty for a product that each machine makes in bytes of its own; the conversion tries it instead."""
    size_bytes: int
    of: str | None = None
    """The package that holds it, if not the model's first."""
    kept_as: str | None = None
    """Its name in the model's directory, if not its own."""
    keep: bool = False
    """Whether it is used as it is though the model is converted."""

    @property
    def name(self) -> str:
        """The name under which it lies in the model's directory."""
        return self.kept_as or self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel with members of a model, or a package of npm's registry: a `.tgz`."""

    package: str
    version: str
    wheel: str
    wheel_sha256: str
    wheel_bytes: int

    @property
    def is_of_npm(self) -> bool:
        """Whether it is no wheel."""
        return self.wheel.endswith(".tgz")


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the lock file; its fields are explained there."""

    name: str
    purpose: str
    licence: str
    upstream: str
    source: Literal["wheel", "installed"]
    package: str
    version: str
    wheel: str
    wheel_sha256: str
    wheel_bytes: int
    members: tuple[Member, ...]
    override: str | None = None
    on_request: bool = False
    conversion: str | None = None
    tools: tuple[str, ...] = ()
    products: tuple[Member, ...] = ()
    """What the conversion makes; without one, the members are used as they are."""
    revision: int = 0
    """How often the conversion has been changed; each has a directory of its own."""
    beside: tuple[Wheel, ...] = ()
    """Other wheels that hold members."""

    @property
    def wheels(self) -> tuple[Wheel, ...]:
        """All wheels that hold members."""
        first = Wheel(self.package, self.version, self.wheel, self.wheel_sha256, self.wheel_bytes)
        return (first, *self.beside)

    @property
    def files(self) -> tuple[Member, ...]:
        """What must lie in the model's directory."""
        kept = (member for member in self.members if member.keep)
        return (*self.products, *kept) if self.products else self.members

    @property
    def size_bytes(self) -> int:
        """What its files take on disk."""
        return sum(file.size_bytes for file in self.files)

    @property
    def way_out(self) -> str:
        """What to do when the files are missing or wrong; ends every error about this model."""
        if self.source == "installed":
            return f"Install it: pip install --force-reinstall {self.package}=={self.version}"
        names = ", ".join(file.name for file in self.files)
        if len(self.files) > _NAMED:
            names = f"its {len(self.files)} files, named in {LOCK_FILE}"
        wheels = " and ".join(f"{one.wheel} (sha256 {one.wheel_sha256})" for one in self.wheels)
        if len(self.wheels) > _NAMED:
            wheels = f"its {len(self.wheels)} packages, named in {LOCK_FILE},"
        own = f"; or set {self.override}=/dir to your own directory with {names}" if self.override else ""
        return (
            f"Ways out: `stageflow-voice models fetch {self.name}`; or put {wheels} "
            f"into a directory and set {WHEELS_VARIABLE}=/dir before fetching{own}."
        )


@cache
def load_lock(path: Path = LOCK_FILE) -> Mapping[str, Model]:
    """The models of a lock file by name, in its order. Read once: a start asks ten times, and each took 6 ms."""
    with path.open("rb") as file:
        entries = tomllib.load(file)["model"]
    models = {}
    for entry in entries:
        members, products = (
            tuple(Member(**member) for member in entry.pop(key, ())) for key in ("members", "products")
        )
        tools = tuple(entry.pop("tools", ()))
        beside = tuple(Wheel(**wheel) for wheel in entry.pop("beside", ()))
        models[entry["name"]] = Model(members=members, products=products, tools=tools, beside=beside, **entry)
    return MappingProxyType(models)
