"""A package that is made twice is the same, byte by byte, whenever it was made."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.wheels import make_npm_package, make_wheel


@pytest.mark.parametrize("make", [make_wheel, make_npm_package])
def test_a_package_does_not_tell_when_it_was_made(
    make: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = make(tmp_path / "before").read_bytes()
    later = 2_000_000_000.0
    monkeypatch.setattr(time, "time", lambda: later)
    assert make(tmp_path / "later").read_bytes() == before
