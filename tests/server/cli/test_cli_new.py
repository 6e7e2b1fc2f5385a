"""What `new` writes passes its own tests at once, and is found by its name once it is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.__main__ import main
from tests.support.patience import PATIENCE_S


@pytest.mark.parametrize("kind", ["stt", "tts", "llm", "stage", "tools"])
def test_a_new_package_passes_its_own_tests(kind: str, tmp_path: Path) -> None:
    assert main(["new", kind, "acme_one", "--into", str(tmp_path)]) == 0
    folder = tmp_path / "stageflow-voice-acme-one"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f'[project.entry-points."stageflow_voice.{kind}"]' in (folder / "pyproject.toml").read_text()


def test_it_is_found_by_its_name_once_it_is_installed(tmp_path: Path) -> None:
    assert main(["new", "llm", "acme", "--into", str(tmp_path)]) == 0
    package = tmp_path / "stageflow-voice-acme" / "src"
    about = package / "stageflow_voice_acme-0.1.0.dist-info"  # what an installer leaves behind
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: stageflow-voice-acme\nVersion: 0.1.0\n")
    (about / "entry_points.txt").write_text("[stageflow_voice.llm]\nacme = stageflow_voice_acme:Acme\n")
    command = [sys.executable, "-m", "server", "providers", "acme"]
    environment = {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{Path.cwd()}"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)
    assert "llm acme (stageflow-voice-acme 0.1.0)" in ran.stdout, ran.stderr
    assert "prefix: str" in ran.stdout


def test_wrong_names_and_folders_that_are_there_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "stt", "My-STT", "--into", str(tmp_path)]) == 1
    assert "as in my_stt" in capsys.readouterr().err
    assert main(["new", "stt", "mine", "--into", str(tmp_path)]) == 0
    assert main(["new", "tts", "mine", "--into", str(tmp_path)]) == 1
    assert "is there already" in capsys.readouterr().err
