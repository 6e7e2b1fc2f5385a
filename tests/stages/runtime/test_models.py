"""Model files on the disk: which are believed, which are not, and what the person is told."""

import dataclasses
import os
import pwd
from importlib.metadata import version
from pathlib import Path

import pytest

from stages.errors import ModelFileError
from stages.runtime.model_fetch import fetch
from stages.runtime.model_lock import Member, load_lock
from stages.runtime.models import MARKER, FileState, ModelStore
from tests.support.wheels import FILES, OVERRIDE, make_wheel, model_for, sha256


def a_store(tmp_path: Path, **own: Path) -> ModelStore:
    wheel = make_wheel(tmp_path / "wheels")
    return ModelStore({"tiny": model_for(wheel)}, tmp_path / "cache", wheel.parent, own)


def a_full_store(tmp_path: Path) -> ModelStore:
    store = a_store(tmp_path)
    fetch(store)
    return store


# --- the lock file --------------------------------------------------------------------------------------


def test_the_lock_file_names_every_model_completely() -> None:
    models = load_lock()
    assert list(models) == [
        "moonshine-base-en", "whisper-tiny.en", "whisper-base", "kokoro", "qwen-1.5b", "qwen-0.5b",
        "minilm-l6-v2", "hibari-heart", "silero-vad", "smart-turn",
    ]  # fmt: skip
    for model in models.values():
        assert model.wheel.startswith(f"{model.package.replace('-', '_')}-{model.version}-")
        digests = (model.wheel_sha256, *(file.sha256 for file in model.members))
        made = [file.sha256 for file in model.products if file.sha256]
        for digest in (*digests, *made):
            assert len(bytes.fromhex(digest)) == 32
        assert model.members
        assert model.purpose
        assert model.licence
        assert model.upstream


def test_the_members_of_a_model_lie_in_one_directory_of_its_wheel() -> None:
    for model in load_lock().values():
        places = {(member.of, member.path.rpartition("/")[0]) for member in model.members}
        assert len(places) == len(model.wheels)
        assert {of for of, _ in places} == {None, *(wheel.package for wheel in model.beside)}
        assert len({member.name for member in model.members}) == len(model.members)


def test_who_must_bring_many_packages_is_told_where_they_are_named_and_not_all_of_them() -> None:
    models = load_lock()
    for name in ("kokoro", "qwen-1.5b"):
        assert "models.lock.toml" in models[name].way_out
    assert max(len(model.way_out) for model in models.values()) < 700
    assert models["smart-turn"].wheel_sha256 in models["smart-turn"].way_out


# --- where things are ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "cache"),
    [
        ({"HOME": "/home/me"}, "/home/me/.cache/stageflow-voice/models"),
        ({"HOME": "/home/me", "XDG_CACHE_HOME": "/var/cache"}, "/var/cache/stageflow-voice/models"),
        ({"XDG_CACHE_HOME": "/var/cache", "STAGEFLOW_VOICE_MODELS_DIR": "/models"}, "/models"),
    ],
)
def test_the_environment_chooses_the_cache(environment: dict[str, str], cache: str) -> None:
    assert ModelStore.from_environment(environment).cache == Path(cache)


def test_who_says_where_the_models_are_needs_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a user of a container whom its system does not know."""

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(RuntimeError):
        Path.home()
    assert ModelStore.from_environment({"STAGEFLOW_VOICE_MODELS_DIR": "/models"}).cache == Path("/models")


def test_the_environment_chooses_wheels_and_own_directories() -> None:
    environment = {"STAGEFLOW_VOICE_WHEELS": "/wheels", "STAGEFLOW_VOICE_WHISPER_DIR": "/whisper"}
    store = ModelStore.from_environment(environment | {"STAGEFLOW_VOICE_MINILM_DIR": ""})
    assert store.wheels == Path("/wheels")
    assert store.own == {"whisper-tiny.en": Path("/whisper")}


# --- what is believed ------------------------------------------------------------------------------------


def test_a_model_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    model = store.model("tiny")
    with pytest.raises(ModelFileError) as caught:
        store.model_dir("tiny")
    told = str(caught.value)
    for needed in (
        "tiny: not fetched yet",
        "stageflow-voice models fetch tiny",
        f"STAGEFLOW_VOICE_WHEELS=/dir before fetching; or set {OVERRIDE}=/dir",
        model.wheel,
        model.wheel_sha256,
    ):
        assert needed in told


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no model is called 'huge'; there are tiny"):
        a_store(tmp_path).model_dir("huge")


def test_a_fetched_model_is_where_it_is_said_to_be(tmp_path: Path) -> None:
    store = a_full_store(tmp_path)
    directory = store.model_dir("tiny")
    assert directory == tmp_path / "cache" / "tiny-1.0"
    assert {path.name: path.read_bytes() for path in directory.iterdir() if path.name != MARKER} == FILES


def test_a_changed_file_is_refused_with_both_hashes(tmp_path: Path) -> None:
    store = a_full_store(tmp_path)
    member = store.model("tiny").members[0]
    (store.model_dir("tiny") / member.name).write_bytes(b"other weights")
    with pytest.raises(
        ModelFileError, match=rf"has changed: expected sha256 {member.sha256}, found \w{{64}}"
    ):
        store.model_dir("tiny")
    assert store.inspect(store.model("tiny")).state is FileState.CHANGED


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    store = a_full_store(tmp_path)
    (store.model_dir("tiny") / "vocab.txt").unlink()
    with pytest.raises(ModelFileError, match=r"cannot read .*vocab.txt: No such file"):
        store.model_dir("tiny")


def test_a_change_that_keeps_size_and_time_is_found_by_verify(tmp_path: Path) -> None:
    store = a_full_store(tmp_path)
    path = store.model_dir("tiny") / "model.bin"
    before = path.stat()
    path.write_bytes(b"W" + FILES["model.bin"][1:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    store.model_dir("tiny")  # the marker is believed: this is what makes a start cheap
    with pytest.raises(ModelFileError, match="has changed"):
        store.verify("tiny")


def test_files_copied_from_elsewhere_are_hashed_once_and_then_believed(tmp_path: Path) -> None:
    store = a_full_store(tmp_path)
    path = store.model_dir("tiny") / "model.bin"
    os.utime(path, ns=(1, 1))
    assert store.inspect(store.model("tiny")).state is FileState.PRESENT
    assert '"model.bin": [\n  8000,\n  1,' in (path.parent / MARKER).read_text()


def test_a_marker_of_another_lock_file_is_not_believed(tmp_path: Path) -> None:
    store = a_full_store(tmp_path)
    model = store.model("tiny")
    members = (dataclasses.replace(model.members[0], sha256="0" * 64), *model.members[1:])
    newer = dataclasses.replace(store, models={"tiny": dataclasses.replace(model, members=members)})
    with pytest.raises(ModelFileError, match="has changed: expected sha256 0000"):
        newer.model_dir("tiny")


# --- own directories and installed packages ----------------------------------------------------------------


def test_an_own_directory_goes_before_the_cache_and_is_not_compared(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for name in FILES:
        (own / name).write_bytes(b"mine")
    store = a_store(tmp_path, tiny=own)
    assert store.model_dir("tiny") == own
    assert store.verify("tiny") == own
    assert store.inspect(store.model("tiny")).state is FileState.OWN


def test_an_own_directory_without_the_files_is_refused_by_the_variable_that_set_it(tmp_path: Path) -> None:
    store = a_store(tmp_path, tiny=tmp_path / "nothing")
    with pytest.raises(ModelFileError, match=rf"set by {OVERRIDE}, has no model.bin, vocab.txt"):
        store.model_dir("tiny")


def installed(tmp_path: Path, package: str, version: str) -> ModelStore:
    """A store whose one model is a file of pytest's, said to belong to `package`."""
    content = Path(pytest.__file__).read_bytes()
    model = dataclasses.replace(
        load_lock()["hibari-heart"],
        package=package,
        version=version,
        members=(Member("pytest/__init__.py", sha256(content), len(content)),),
    )
    return ModelStore({"tiny": model}, tmp_path)


def test_an_installed_package_is_checked_where_it_lies(tmp_path: Path) -> None:
    store = installed(tmp_path, "pytest", version("pytest"))
    assert store.model_dir("tiny") == Path(pytest.__file__).parent


@pytest.mark.parametrize(
    ("package", "wanted", "told"),
    [
        ("no-such-package-here", "1.0", "the package no-such-package-here 1.0 is not installed"),
        ("pytest", "0.0.1", f"pytest {version('pytest')} is installed, but it must be 0.0.1"),
    ],
)
def test_an_installed_package_that_is_not_right_is_refused(
    tmp_path: Path, package: str, wanted: str, told: str
) -> None:
    with pytest.raises(ModelFileError) as caught:
        installed(tmp_path, package, wanted).verify("tiny")
    assert told in str(caught.value)
    assert f"pip install --force-reinstall {package}=={wanted}" in str(caught.value)
