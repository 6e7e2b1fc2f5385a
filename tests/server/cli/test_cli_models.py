"""`stageflow-voice models` as a person sees it: lines, exit codes, silence."""

import argparse
from importlib import import_module
from pathlib import Path
from typing import ClassVar

import pytest

from server.cli import models
from server.cli.models import add_arguments, run
from stages.errors import ModelFileError
from stages.runtime.made_files import MADE_DIR, keep, use
from stages.runtime.models import ModelStore
from tests.support.wheels import make_wheel, model_for


def a_store(tmp_path: Path) -> ModelStore:
    wheel = make_wheel(tmp_path / "wheels")
    return ModelStore({"tiny": model_for(wheel)}, tmp_path / "cache", wheel.parent)


def call(store: ModelStore, *words: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(words), store)


def test_fetch_tells_and_fetch_again_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = a_store(tmp_path)
    assert call(store, "fetch") == 0
    assert "tiny 1.0: verified" in capsys.readouterr().out
    assert call(store, "fetch", "tiny") == 0
    assert capsys.readouterr().out == f"models: tiny: present in {tmp_path}/cache/tiny-1.0\n"


def test_quiet_if_present_is_quiet_only_if_present(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = a_store(tmp_path)
    assert call(store, "fetch", "--quiet-if-present") == 0
    assert capsys.readouterr().out
    assert call(store, "fetch", "--quiet-if-present") == 0
    assert capsys.readouterr().out == ""


class Maker:
    """Notes from where it is loaded, and makes a file beside it, or uses the one that is there."""

    loaded: ClassVar[list[Path]] = []

    @classmethod
    def load(cls, directory: Path) -> "Maker":
        cls.loaded.append(directory)
        made = directory.parent / MADE_DIR / f"made-{'1' * 16}"
        if made.is_file():
            use(made)
        else:
            keep(made, Path.touch)
        return cls()

    def close(self) -> None:
        """It keeps nothing."""


def test_fetch_has_the_files_made_that_a_first_start_would_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_MADE_BY", {"tiny": f"{__name__}:Maker"})
    monkeypatch.setattr(Maker, "loaded", [])
    store = a_store(tmp_path)
    made = store.cache / MADE_DIR
    made.mkdir(parents=True)
    (made / f"tiny-{'0' * 16}").touch()  # of an older version
    for _ in range(2):
        call(store, "fetch")
    assert Maker.loaded == [store.model_dir("tiny")]
    (done,) = made.glob("tiny-done-*")
    for number, gone in enumerate((done, made / f"made-{'1' * 16}"), start=2):
        gone.unlink()
        call(store, "fetch")
        call(store, "fetch")
        assert len(Maker.loaded) == number, f"without {gone.name}"


@pytest.mark.parametrize("path", models._MADE_BY.values())  # noqa: SLF001
def test_what_makes_files_can_be_loaded_and_closed(path: str) -> None:
    module, _, provider = path.partition(":")
    found = getattr(import_module(module), provider)
    assert callable(found.load)
    assert callable(found.close)


def test_list_has_a_line_for_each_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = a_store(tmp_path)
    assert call(store, "list") == 0
    before = capsys.readouterr().out.splitlines()
    assert before[0].split() == ["NAME", "VERSION", "LICENCE", "SIZE", "STATE", "PURPOSE", "DIRECTORY"]
    assert before[1].split() == [
        "tiny",
        "1.0",
        "MIT",
        "0",
        "MB",
        "absent",
        "tests",
        f"{tmp_path}/cache/tiny-1.0",
    ]
    call(store, "fetch")
    capsys.readouterr()
    call(store, "list")
    assert "present" in capsys.readouterr().out.splitlines()[1]


def test_verify_tells_right_from_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = a_store(tmp_path)
    call(store, "fetch")
    assert call(store, "verify") == 0
    assert f"tiny: verified, {tmp_path}/cache/tiny-1.0" in capsys.readouterr().out
    (store.model_dir("tiny") / "vocab.txt").write_bytes(b"three")
    assert call(store, "verify", "tiny") == 1
    assert "vocab.txt has changed" in capsys.readouterr().err


def test_an_unknown_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="there are tiny"):
        call(a_store(tmp_path), "fetch", "huge")
