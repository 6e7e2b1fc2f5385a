"""Where the embedded models' files lie, and whether they are what the lock file says.

`models.lock.toml` names every model, the wheel it comes in and the hash of each file; `stages.runtime.model_fetch`
brings the files into the cache. Nothing is loaded from a directory that has not passed here. Hashing it all
on every start would cost as much as loading it, so a directory that was checked gets a marker (`.verified`)
with size, modification time and hash of each file, which is believed as long as those still hold.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from stages.errors import ModelFileError

LOCK_FILE = Path(__file__).with_name("models.lock.toml")
CACHE_VARIABLE = "STAGEFLOW_VOICE_MODELS_DIR"
WHEELS_VARIABLE = "STAGEFLOW_VOICE_WHEELS"
MARKER = ".verified"
MADE = "made.json"
"""In the directory of a converted model: the hash of each product whose bytes depend on the machine."""

# --- what the lock file says ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside a wheel, and what it must be."""

    path: str
    sha256: str
    """Empty for a product that each machine makes in bytes of its own; the conversion tries it instead."""
    size_bytes: int
    of: str | None = None
    """The package that holds it, if not the model's first."""

    @property
    def name(self) -> str:
        """The file's own name, under which it lies in the model's directory."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel with members of a model."""

    package: str
    version: str
    wheel: str
    wheel_sha256: str
    wheel_bytes: int


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
        return self.products or self.members

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
        wheels = " and ".join(f"{one.wheel} (sha256 {one.wheel_sha256})" for one in self.wheels)
        own = f"; or set {self.override}=/dir to your own directory with {names}" if self.override else ""
        return (
            f"Ways out: `stageflow-voice models fetch {self.name}`; or put {wheels} "
            f"into a directory and set {WHEELS_VARIABLE}=/dir before fetching{own}."
        )


def load_lock(path: Path = LOCK_FILE) -> dict[str, Model]:
    """The models of a lock file by name, in its order."""
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
    return models


# --- what is on the disk --------------------------------------------------------------------------------


class State(StrEnum):
    """How a model's files are found."""

    PRESENT = "present"
    OWN = "own files"
    ABSENT = "absent"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Finding:
    """Where a model's files lie, or would; `fault` says what is wrong with them, if anything is."""

    state: State
    directory: Path | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class ModelStore:
    """The models of one lock file on one machine."""

    models: Mapping[str, Model]
    cache: Path
    wheels: Path | None = None
    """A second source of wheels, looked at before the registry."""
    own: Mapping[str, Path] = field(default_factory=dict)
    """The operator's own directories by model name; what is in them is not compared with the lock file."""

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, models: Mapping[str, Model] | None = None
    ) -> "ModelStore":
        """The store that `STAGEFLOW_VOICE_*` variables ask for, by default in the user's cache directory."""
        models = load_lock() if models is None else models
        home = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or Path.home()) / ".cache"
        cache = environment.get(CACHE_VARIABLE) or Path(home) / "stageflow-voice" / "models"
        wheels = environment.get(WHEELS_VARIABLE)
        own = {
            name: Path(directory).expanduser()
            for name, model in models.items()
            if model.override and (directory := environment.get(model.override))
        }
        return cls(models, Path(cache).expanduser(), Path(wheels).expanduser() if wheels else None, own)

    def model(self, name: str) -> Model:
        """The lock file's entry; raises ModelFileError for a name that it does not have."""
        try:
            return self.models[name]
        except KeyError:
            raise ModelFileError(f"no model is called {name!r}; there are {', '.join(self.models)}") from None

    def cache_dir(self, model: Model) -> Path:
        """Where fetching puts the files of a model."""
        revision = f"-{model.revision}" if model.revision else ""
        return self.cache / f"{model.name}-{model.version}{revision}"

    def inspect(self, model: Model, *, thorough: bool = False) -> Finding:
        """What is on the disk. `thorough` hashes every file again instead of believing the marker."""
        if own := self.own.get(model.name):
            missing = [file.name for file in model.files if not (own / file.name).is_file()]
            fault = f"{own}, set by {model.override}, has no {', '.join(missing)}" if missing else ""
            return Finding(State.ABSENT if missing else State.OWN, own, fault)
        if model.source == "installed":
            return _inspect_installed(model)
        directory = self.cache_dir(model)
        if not thorough and _marker(directory, model) == _read_marker(directory):
            return Finding(State.PRESENT, directory)
        finding = _inspect_files(directory, model)
        if finding.state is State.PRESENT:
            write_marker(directory, model)
        return finding

    def model_dir(self, name: str) -> Path:
        """The directory with a model's files; raises ModelFileError when they are missing or changed."""
        return self._checked(name, thorough=False)

    def verify(self, name: str) -> Path:
        """Like `model_dir`, but hashes every file; in one's own directory, looks for missing ones."""
        return self._checked(name, thorough=True)

    def _checked(self, name: str, *, thorough: bool) -> Path:
        model = self.model(name)
        finding = self.inspect(model, thorough=thorough)
        if finding.fault or finding.directory is None:
            raise ModelFileError(f"{name}: {finding.fault}. {model.way_out}")
        return finding.directory


def model_dir(name: str) -> Path:
    """The directory of a model, as this process's environment has it; see `ModelStore.model_dir`."""
    return ModelStore.from_environment().model_dir(name)


# --- looking at files -----------------------------------------------------------------------------------


def sha256_of(path: Path) -> str:
    """Hex digest of a file; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def expected_hashes(directory: Path, model: Model) -> dict[str, str]:
    """What each file's hash must be: the lock file's, or what was noted when it was made here; raises OSError."""
    made = {}
    if not all(file.sha256 for file in model.files):
        with contextlib.suppress(ValueError):
            made = json.loads((directory / MADE).read_text(encoding="utf-8"))
    return {file.name: file.sha256 or str(made.get(file.name, "none noted")) for file in model.files}


def write_made(directory: Path, model: Model) -> None:
    """Note the hashes of the products that were made and tried; raises OSError."""
    made = {file.name: sha256_of(directory / file.name) for file in model.products if not file.sha256}
    if made:
        (directory / MADE).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


def write_marker(directory: Path, model: Model) -> None:
    """Note that the files were checked; a cache that cannot be written is checked in full each time."""
    with contextlib.suppress(OSError):
        (directory / MARKER).write_text(_marker(directory, model), encoding="utf-8")


def _marker(directory: Path, model: Model) -> str:
    """What the marker of these files would say now."""
    lines = {}
    for member in model.files:
        try:
            found = (directory / member.name).stat()
        except OSError as error:
            return f"{member.name}: {error.strerror}"
        lines[member.name] = [found.st_size, found.st_mtime_ns, member.sha256]
    return json.dumps(lines, indent=1) + "\n"


def _read_marker(directory: Path) -> str:
    try:
        return (directory / MARKER).read_text(encoding="utf-8")
    except OSError:
        return "no marker"


def _inspect_files(directory: Path, model: Model) -> Finding:
    if not directory.is_dir():
        return Finding(State.ABSENT, directory, f"not fetched yet; there is no {directory}")
    try:
        expected = expected_hashes(directory, model)
    except OSError as error:
        return Finding(State.ABSENT, directory, f"cannot read {directory / MADE}: {error.strerror}")
    for member in model.files:
        path = directory / member.name
        try:
            found = sha256_of(path)
        except OSError as error:
            return Finding(State.ABSENT, directory, f"cannot read {path}: {error.strerror}")
        if found != expected[member.name]:
            fault = f"{path} has changed: expected sha256 {expected[member.name]}, found {found}"
            return Finding(State.CHANGED, directory, fault)
    return Finding(State.PRESENT, directory)


def _inspect_installed(model: Model) -> Finding:
    try:
        distribution = importlib.metadata.distribution(model.package)
    except importlib.metadata.PackageNotFoundError:
        return Finding(State.ABSENT, None, f"the package {model.package} {model.version} is not installed")
    if distribution.version != model.version:
        fault = f"{model.package} {distribution.version} is installed, but it must be {model.version}"
        return Finding(State.CHANGED, None, fault)
    return _inspect_files(Path(str(distribution.locate_file(model.members[0].path))).parent, model)
