"""Makes the files that a model is used by out of those that its wheel holds, once, when it is fetched.

The program runs in a process of its own, with tools that are installed into a temporary directory and thrown away:
the server needs none of them. What it makes must be what the lock file says, byte for byte; of what the lock file names
without a hash the program itself must have found that it does, and the hash is noted here.
"""

import importlib.metadata
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from stages.errors import ModelFileError
from stages.runtime.model_lock import Model
from stages.runtime.models import sha256_of, write_made

CONVERSIONS = Path(__file__).with_name("conversions")
TIMEOUT_S = 1200.0
"""For the tools, and for the conversion; a slow machine takes a few minutes."""


def convert(model: Model, directory: Path, environment: Mapping[str, str]) -> None:
    """Make the model's products in `directory`, where its members lie, and remove the members that are none of them.

    Blocks for half a minute. Raises ModelFileError, with the last line of what went wrong.
    """
    with tempfile.TemporaryDirectory(prefix="stageflow-voice-tools-") as tools:
        wanted = list(missing_tools(model.tools))
        if wanted:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
            pip += ["--no-compile", "--target", tools]  # they run once
            _run(model, "installing its tools", [*pip, *wanted], environment)
        program = str(CONVERSIONS / f"{model.conversion}.py")
        own = dict(environment) | {"PYTHONPATH": tools, "PYTHONDONTWRITEBYTECODE": "1"}
        _run(model, "converting it", [sys.executable, program, str(directory)], own)
    used = {file.name for file in model.files}
    for member in model.members:
        if member.name not in used:
            (directory / member.name).unlink()
    for product in model.products:
        _check(model, directory / product.name, product.sha256)
    write_made(directory, model)


def missing_tools(tools: Iterable[str]) -> Iterable[str]:
    """Those that are not installed here in the version that is asked for."""
    for tool in tools:
        name, _, version = tool.partition("==")
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield tool
        else:
            if version and installed != version:
                yield tool


def _run(model: Model, doing: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
    try:
        done = subprocess.run(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ModelFileError(f"{model.name}: {doing} took longer than {TIMEOUT_S:.0f} s") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ModelFileError(f"{model.name}: {doing} failed: {last}. {model.way_out}")


def _check(model: Model, path: Path, sha256: str) -> None:
    found = sha256_of(path) if path.is_file() else "no file"
    if (sha256 or found) != found or not path.is_file():
        raise ModelFileError(
            f"{model.name}: the conversion made another {path.name} than the lock file says: expected sha256 "
            f"{sha256}, found {found}. {model.way_out}"
        )
