"""`scripts/setup` explains itself, refuses what it does not know before it changes anything, and leaves out models."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE_S

ROOT = Path(__file__).parents[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of a checkout as the script reads; without an environment yet."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "setup", tmp_path / "scripts")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def setup(checkout: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "scripts" / "setup", *words],
        env={"PATH": f"{checkout}/.venv/bin:/usr/bin:/bin", "PYTHON": sys.executable, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("embedded", "--help")])
def test_it_shows_how_it_is_used(checkout: Path, words: tuple[str, ...]) -> None:
    run = setup(checkout, *words)
    assert (run.returncode, run.stderr) == (0, "")
    assert "scripts/setup [EXTRA ...]" in run.stdout
    assert "#" not in run.stdout
    assert not (checkout / ".venv").exists()


def test_unknown_extras_are_named_in_one_line(checkout: Path) -> None:
    run = setup(checkout, "embeded", "dev", "--fast")
    assert run.returncode == 2
    assert run.stderr.splitlines() == [
        "setup: there is no extra 'embeded', '--fast'; "
        "choose from embedded, whisper, languages, kokoro, mandarin, local-model, turns, mic, echo, lan, load, mcp, "
        "wyoming, faster-whisper, sherpa, cluster, ray, dev (see --help)"
    ]
    assert not (checkout / ".venv").exists()


@pytest.fixture
def installed(checkout: Path) -> Path:
    """A checkout with an environment in which it is only written down what is installed and which models come."""
    folder = checkout / ".venv" / "bin"
    folder.mkdir(parents=True)
    said = 'echo "$*" >>said'
    for name, line in {"python": f'exec {sys.executable} "$@"', "uv": said, "stageflow-voice": said}.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    return checkout


def test_packages_come_first_and_models_may_come_later(installed: Path) -> None:
    assert setup(installed, "--no-models", "turns").returncode == 0
    packages = (installed / "said").read_text()
    assert "-e .[turns]" in packages
    assert "models" not in packages
    assert setup(installed, "turns").returncode == 0
    assert (installed / "said").read_text() == (
        f"{packages}models fetch --quiet-if-present silero-vad smart-turn\n"
    )


def test_what_is_installed_is_seen_without_starting_python(installed: Path) -> None:
    assert setup(installed, "mcp").returncode == 0
    (installed / "said").unlink()
    python = installed / ".venv" / "bin" / "python"
    python.write_text(python.read_text().replace("exec", 'echo "$*" >>said\nexec'))
    again = setup(installed, "mcp")
    assert (again.returncode, again.stderr) == (0, "")
    assert (installed / "said").read_text() == "--version\n"  # which it says before it is set up
    assert setup(installed, "mcp", "mcpp").returncode == 2


def test_what_uv_cannot_install_pip_does(installed: Path) -> None:
    folder = installed / ".venv" / "bin"
    (folder / "uv").write_text("#!/bin/sh\nexit 1\n")
    python = folder / "python"
    installs = 'case "$*" in *" pip "* | *compileall*) echo "$*" >>said; exit ;; esac'
    python.write_text(python.read_text().replace("exec", f"{installs}\nexec"))
    run = setup(installed, "--no-models", "turns")
    assert (run.returncode, "uv could not do it; trying pip" in run.stderr) == (0, True)
    assert (
        "-m pip install --disable-pip-version-check --no-warn-script-location --no-compile -e .[turns]"
        in ((installed / "said").read_text())
    )


@pytest.mark.parametrize(
    ("uv_index", "by"), [("", "-u -m pip"), ("https://packages.example/simple", "pip install --quiet")]
)
def test_where_pip_has_an_index_of_its_own_uv_is_asked_only_if_it_was_told_of_one(
    installed: Path, uv_index: str, by: str
) -> None:
    python = installed / ".venv" / "bin" / "python"
    installs = 'case "$*" in *"pip install"* | *compileall*) echo "$*" >>said; exit ;; esac'
    python.write_text(python.read_text().replace("exec", f"{installs}\nexec"))
    indices = {"PIP_INDEX_URL": "https://packages.example/simple", "UV_INDEX_URL": uv_index}
    run = setup(installed, "--no-models", "turns", **indices)
    assert (run.returncode, "trying pip" in run.stderr) == (0, False)
    assert (installed / "said").read_text().startswith(by)


def test_where_python_makes_no_environments_uv_does(checkout: Path) -> None:
    programs = checkout / "programs"
    programs.mkdir()
    bare = f'case "$*" in *"-m venv"*) exit 1 ;; esac; exec {sys.executable} "$@"'
    made = 'case "$*" in venv*) mkdir -p .venv/bin && cp programs/python .venv/bin ;; *) echo "$*" >>said ;; esac'
    for name, line in {"python": bare, "uv": made}.items():
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    run = setup(checkout, "--no-models", PYTHON=f"{programs}/python", PATH=f"{programs}:/usr/bin:/bin")
    assert (run.returncode, (checkout / "said").read_text().splitlines()[-1][-4:]) == (0, "-e .")
