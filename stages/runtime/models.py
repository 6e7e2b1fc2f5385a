"""Where the embedded models' files lie, and whether they are what the lock file says.

`stages.runtime.model_fetch` brings the files into the cache. Nothing is loaded from a directory that has not passed
here. Hashing it all on every start would cost as much as loading it, so a directory that was checked gets a marker
(`.verified`) with size, modification time and hash of each file, which is believed as long as those still hold.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from stages.errors import ModelFileError
from stages.runtime.model_lock import WHEELS_VARIABLE, Model, load_lock

CACHE_VARIABLE = "STAGEFLOW_VOICE_MODELS_DIR"
MARKER = ".verified"
MADE = "made.json"
"""In the directory of a converted model: the hash of each product whose bytes depend on the machine."""

# --- what is on the disk --------------------------------------------------------------------------------


class FileState(StrEnum):
    """How a model's files are found."""

    PRESENT = "present"
    OWN = "own files"
    ABSENT = "absent"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """Where a model's files lie, or would; `fault` says what is wrong with them, if anything is."""

    state: FileState
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
        cache = environment.get(CACHE_VARIABLE)
        if not cache:  # whoever says where needs no home: a container's user may have none
            home = (
                environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or Path.home()) / ".cache"
            )
            cache = str(Path(home) / "stageflow-voice" / "models")
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

    def inspect(self, model: Model, *, thorough: bool = False) -> FoundFiles:
        """What is on the disk. `thorough` hashes every file again instead of believing the marker."""
        if own := self.own.get(model.name):
            missing = [file.name for file in model.files if not (own / file.name).is_file()]
            fault = f"{own}, set by {model.override}, has no {', '.join(missing)}" if missing else ""
            return FoundFiles(FileState.ABSENT if missing else FileState.OWN, own, fault)
        if model.source == "installed":
            return _inspect_installed(model)
        directory = self.cache_dir(model)
        if not thorough and _marker(directory, model) == _read_marker(directory):
            return FoundFiles(FileState.PRESENT, directory)
        finding = _inspect_files(directory, model)
        if finding.state is FileState.PRESENT:
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


def _inspect_files(directory: Path, model: Model) -> FoundFiles:
    if not directory.is_dir():
        return FoundFiles(FileState.ABSENT, directory, f"not fetched yet; there is no {directory}")
    try:
        expected = expected_hashes(directory, model)
    except OSError as error:
        return FoundFiles(FileState.ABSENT, directory, f"cannot read {directory / MADE}: {error.strerror}")
    for member in model.files:
        path = directory / member.name
        try:
            found = sha256_of(path)
        except OSError as error:
            return FoundFiles(FileState.ABSENT, directory, f"cannot read {path}: {error.strerror}")
        if found != expected[member.name]:
            fault = f"{path} has changed: expected sha256 {expected[member.name]}, found {found}"
            return FoundFiles(FileState.CHANGED, directory, fault)
    return FoundFiles(FileState.PRESENT, directory)


def _inspect_installed(model: Model) -> FoundFiles:
    try:
        distribution = importlib.metadata.distribution(model.package)
    except importlib.metadata.PackageNotFoundError:
        return FoundFiles(
            FileState.ABSENT, None, f"the package {model.package} {model.version} is not installed"
        )
    if distribution.version != model.version:
        fault = f"{model.package} {distribution.version} is installed, but it must be {model.version}"
        return FoundFiles(FileState.CHANGED, None, fault)
    return _inspect_files(Path(str(distribution.locate_file(model.members[0].path))).parent, model)
