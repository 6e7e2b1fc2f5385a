"""Makes small wheels and the lock entries that fit them, so that fetching is tested without a network."""

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from stages.runtime.model_lock import Member, Model

FILES = {"model.bin": b"weights " * 1000, "vocab.txt": b"one\ntwo\n"}
OVERRIDE = "TINY_DIR"


def sha256(data: bytes) -> str:
    """Hex digest of `data`."""
    return hashlib.sha256(data).hexdigest()


def make_wheel(
    directory: Path,
    *,
    package: str = "tiny-model",
    version: str = "1.0",
    files: Mapping[str, bytes] = FILES,
) -> Path:
    """A wheel that pip accepts, with `files` as data and a module that must never be imported."""
    directory.mkdir(parents=True, exist_ok=True)
    module = package.replace("-", "_")
    wheel = directory / f"{module}-{version}-py3-none-any.whl"
    info = f"{module}-{version}.dist-info"
    members: dict[str, bytes | str] = {f"{module}/data/{name}": data for name, data in files.items()} | {
        f"{module}/__init__.py": "raise SystemExit('the code of a model package ran')",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)  # by its name alone it would be of this second
    return wheel


def model_for(
    wheel: Path,
    *,
    package: str = "tiny-model",
    name: str = "tiny",
    files: Mapping[str, bytes] = FILES,
) -> Model:
    """The lock entry of a wheel of `make_wheel`."""
    module, version = wheel.name.split("-")[:2]
    data = wheel.read_bytes()
    return Model(
        name=name,
        purpose="tests",
        licence="MIT",
        upstream="made here",
        source="wheel",
        package=package,
        version=version,
        wheel=wheel.name,
        wheel_sha256=sha256(data),
        wheel_bytes=len(data),
        members=tuple(
            Member(f"{module}/data/{file}", sha256(content), len(content)) for file, content in files.items()
        ),
        override=OVERRIDE,
    )


def make_npm_package(directory: Path, *, package: str = "tiny-voices", version: str = "2.0.0") -> Path:
    """What `npm pack` makes of a package with `FILES` in a folder `data`."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{package}-{version}.tgz"
    manifest = json.dumps({"name": package, "version": version}).encode()
    with gzip.GzipFile(path, "w", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in {"package.json": manifest, **{f"data/{one}": FILES[one] for one in FILES}}.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def model_of_npm(path: Path) -> Model:
    """The lock entry of a package of `make_npm_package`: one of its files under another name."""
    package, _, version = path.name.removesuffix(".tgz").rpartition("-")
    data = path.read_bytes()
    members = (
        Member("package/data/vocab.txt", sha256(FILES["vocab.txt"]), len(FILES["vocab.txt"])),
        Member(
            "package/data/model.bin", sha256(FILES["model.bin"]), len(FILES["model.bin"]), kept_as="voice.bin"
        ),
    )
    about = ("tiny", "tests", "MIT", "made here", "wheel")
    return Model(*about, package, version, path.name, sha256(data), len(data), members)  # type: ignore[arg-type]
