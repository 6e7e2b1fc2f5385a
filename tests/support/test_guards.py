"""Every guard of `tests/conftest.py` fails the test that it is there for, and no other."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def report() -> str:
    """What pytest says of `leaky.py`."""
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-rA",
            "--tb=line",
            "tests/support/leaky.py",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    return run.stdout


def outcome(report: str, test: str) -> tuple[str, ...]:
    """FAILED, ERROR and PASSED lines of a test; ERROR is what its end brought to light."""
    return tuple(sorted(re.findall(rf"^([A-Z]+) \S+::{test}\b", report, re.MULTILINE)))


@pytest.mark.parametrize(
    ("test", "expected", "complaint"),
    [
        ("test_task", ("ERROR", "PASSED"), "tasks are left"),
        ("test_task_in_virtual_time", ("FAILED",), "TasksLeftError"),
        ("test_thread", ("ERROR", "PASSED"), "threads are left: ['forgotten']"),
        ("test_model_worker", ("PASSED",), ""),
        ("test_last", ("ERROR", "PASSED"), "'recogniser'"),
        ("test_socket", ("ERROR", "PASSED"), "Exception ignored in: <socket.socket"),
        ("test_file", ("ERROR", "PASSED"), "unclosed file"),
        ("test_file_that_has_become_old", ("ERROR", "PASSED"), "unclosed file"),
        ("test_blocking_call", ("FAILED",), "Blocking call to io.BufferedReader.read"),
        ("test_blocking_call_in_virtual_time", ("FAILED",), "Blocking call to io.BufferedReader.read"),
        ("test_well_behaved", ("PASSED",), ""),
    ],
)
def test_a_guard_fails_what_it_is_there_for(
    report: str, test: str, expected: tuple[str, ...], complaint: str
) -> None:
    assert outcome(report, test) == expected, report
    assert complaint in report
