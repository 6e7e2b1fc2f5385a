"""`stageflow-voice models`: fetch, list and verify the files of the embedded models."""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import stages
from server.config.model_variables import adopt_model_variables
from stages.errors import ModelFileError
from stages.runtime.made_files import MADE_DIR, digest_of, keep, tidy
from stages.runtime.model_download import megabytes
from stages.runtime.model_fetch import fetch, usual
from stages.runtime.model_lock import Model
from stages.runtime.models import FileState, ModelStore

_MADE_BY = {
    "hibari-heart": "stages.providers.hibari.voice:EmbeddedVoice",
    "minilm-l6-v2": "stages.demo.agent:DemoAgent",
    "smart-turn": "stages.providers.smart_turn:SmartTurn",
}
"""What makes files of a model when it loads it, which a server of a read-only installation could not keep."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of this subcommand."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    fetching = actions.add_parser("fetch", help="download what is missing, and check it")
    fetching.add_argument(
        "names", nargs="*", metavar="NAME", help="a model of `list`; none means those of the default"
    )
    fetching.add_argument("--quiet-if-present", action="store_true", help="say nothing if nothing is missing")
    actions.add_parser("list", help="show every model, its licence, its size and where it lies")
    verifying = actions.add_parser("verify", help="hash every file again and compare with the lock file")
    verifying.add_argument("names", nargs="*", metavar="NAME", help="a model of `list`; none means all")


def run(arguments: argparse.Namespace, store: ModelStore | None = None) -> int:
    """Do what the arguments ask; raises ModelFileError for files that are missing, wrong or out of reach."""
    if store is None:
        adopt_model_variables()
        store = ModelStore.from_environment()
    match arguments.action:
        case "fetch":
            return _fetch(store, arguments.names, quiet=arguments.quiet_if_present)
        case "verify":
            return _verify(store, arguments.names)
        case _:
            return _list(store)


def _fetch(store: ModelStore, names: list[str], *, quiet: bool) -> int:
    fetched = fetch(store, names, lambda line: print(f"models: {line}", flush=True))
    for name in names or usual(store):
        if name not in fetched and not quiet:
            print(f"models: {name}: present in {store.model_dir(name)}")
    _make_files(store, names or usual(store))
    return 0


def _make_files(store: ModelStore, names: Iterable[str]) -> None:
    """Have files made that are made of models, as the first start would; another file names those, and by its own name
    says by which code of what. What is not used any more goes."""
    folder = store.cache / MADE_DIR
    tidy(folder)
    for name in names:
        if name not in _MADE_BY:
            continue
        done = folder / f"{name}-done-{digest_of([*_makers(), *_parts(store.model(name))])}"
        if _are_there(done):
            continue
        module, _, provider = _MADE_BY[name].partition(":")
        before = _changes(folder)
        with suppress(ModelFileError):  # as where the library that runs it is not installed
            getattr(import_module(module), provider).load(store.model_dir(name)).close()
            used = sorted(dict(set(_changes(folder).items()) - set(before.items())))
            keep(done, partial(_note, used))


def _are_there(done: Path) -> bool:
    """Whether it was done, and all that was made is still there."""
    try:
        made = done.read_text("utf-8").splitlines()
    except OSError:
        return False
    return all((done.parent / name).is_file() for name in made)


def _note(names: Iterable[str], path: Path) -> None:
    path.write_text("\n".join(names), "utf-8")


def _changes(folder: Path) -> dict[str, int]:
    """When the files there were made or used last, in ns of the file system."""
    with suppress(OSError):
        return {entry.name: entry.stat().st_mtime_ns for entry in os.scandir(folder) if entry.is_file()}
    return {}


def _makers() -> Iterator[bytes]:
    """What may make other files of the same model: our code, and the library that runs models."""
    with suppress(PackageNotFoundError):
        yield version("onnxruntime").encode()
    for path in sorted(Path(stages.__file__).parent.rglob("*")):
        if path.suffix in (".py", ".toml"):
            yield path.read_bytes()


def _parts(model: Model) -> Iterator[bytes]:
    for file in model.files:
        yield f"{file.name} {file.sha256}".encode()


def _verify(store: ModelStore, names: list[str]) -> int:
    faults = 0
    for name in names or _there(store):
        try:
            directory = store.verify(name)
        except ModelFileError as error:
            print(f"models: {error}", file=sys.stderr)
            faults += 1
        else:
            how = "your own files, not compared" if name in store.own else "verified"
            print(f"models: {name}: {how}, {directory}")
    return 1 if faults else 0


def _there(store: ModelStore) -> list[str]:
    """Those of the default, and what else was fetched."""
    absent = {model.name for model in store.models.values() if store.inspect(model).state is FileState.ABSENT}
    return [name for name in store.models if name in usual(store) or name not in absent]


def _list(store: ModelStore) -> int:
    rows = [("NAME", "VERSION", "LICENCE", "SIZE", "STATE", "PURPOSE", "DIRECTORY")]
    for model in store.models.values():
        finding = store.inspect(model)
        size = megabytes(model.size_bytes)
        place = "-" if finding.directory is None else str(finding.directory)
        rows.append((model.name, model.version, model.licence, size, finding.state, model.purpose, place))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0
