"""The page's pure parts, by their own tests: `node --test tests/web/`."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE_S

NODE = shutil.which("node")


@pytest.mark.skipif(
    NODE is None, reason="NO NODE: the page's JavaScript is not tested; apt-get install nodejs"
)
def test_the_javascript_of_the_page() -> None:
    assert NODE is not None
    files = sorted(str(file) for file in Path(__file__).parent.glob("*.test.js"))
    run = subprocess.run([NODE, "--test", *files], capture_output=True, text=True, timeout=2 * PATIENCE_S)
    assert files
    assert run.returncode == 0, run.stdout + run.stderr
