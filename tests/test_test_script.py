"""`scripts/test` runs parts beside each other, in CI the stock clients too; each counts, and the last lines say how
each ended. What failed of a part runs once more when all have ended."""

import os
import select
import signal
import subprocess
from pathlib import Path
from shutil import copy

import pytest

from tests.support.patience import PATIENCE_S

SCRIPT = Path(__file__).parents[1] / "scripts" / "test"

# Where FAILED names tests, they fail beside others, and end as ALONE has it when they run again.
FAILS = r"""
for word; do case "$word" in cache_dir=*) folder=${word#cache_dir=}/v/cache ;; esac; done
case "$*" in *--last-failed) echo "alone: $(cat "$folder/lastfailed")"; exit "$ALONE" ;; esac
if [ -n "$FAILED" ] && [ "${*#*$PART}" != "$*" ]; then
    mkdir -p "$folder" && printf "$FAILED" >"$folder/lastfailed"; echo "it failed"; exit 1
fi
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The script alone, among programs that only say that they ran and end as the environment has it."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    copy(SCRIPT, tmp_path / "scripts")
    speaks = 'echo "much"; echo "{0} went on: $*" | sed "s|[^ =]*[.]cache|CACHE|"; exit "${{{1}:-0}}"'
    for path, lines in {
        "scripts/setup": 'echo "setup $*" >&2',
        "scripts/test-clients": speaks.format("clients", "CLIENTS"),
        ".venv/bin/python": f"{FAILS}\n{speaks.format('tests', 'TESTS')}",
        ".venv/bin/coverage": speaks.format("report", "REPORT"),
    }.items():
        (tmp_path / path).write_text(f"#!/bin/sh\n{lines}\n")
        (tmp_path / path).chmod(0o755)
    return tmp_path


def run(checkout: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "scripts" / "test", *words],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


RANDOM = (
    "tests/server/session/test_stories.py",
    "tests/server/session/test_turns_of_recognisers.py",
    "tests/server/turntaking/test_floor.py",
    "tests/stageflow/test_properties.py",
)
STAGES = ("tests/stages", "tests/server/cli", "tests/server/client")
APART = ("tests/e2e", "tests/web", *RANDOM, *STAGES)
MEASURED = "tests went on: -m pytest --cov --cov-report= -o cache_dir=CACHE"
ENDINGS = [
    f"tests: {MEASURED} {' '.join(f'--ignore={path}' for path in APART)}",
    "coverage: report went on: report --fail-under=90",
    f"providers: {MEASURED} -n 2 --dist loadfile tests/stages/providers",
    f"stages: {MEASURED} -n 2 --dist loadfile {' '.join(STAGES)} --ignore=tests/stages/providers",
    "sockets: tests went on: -m pytest -n 2 --dist loadfile -o cache_dir=CACHE tests/e2e tests/web",
    f"random: tests went on: -m pytest -n 2 --dist loadgroup --timeout 900 -o cache_dir=CACHE {' '.join(RANDOM)}",
    "clients: clients went on: -o cache_dir=CACHE",
]


def test_on_a_desk_the_clients_are_left_alone(checkout: Path) -> None:
    done = run(checkout)
    assert (done.returncode, done.stdout.splitlines()[-6:]) == (0, ENDINGS[:6])
    assert "clients" not in done.stdout


def test_what_is_named_is_all_that_runs(checkout: Path) -> None:
    done = run(checkout, "tests/x.py", "-q", CI="true")
    assert (done.returncode, done.stdout) == (0, "much\ntests went on: -m pytest tests/x.py -q\n")


def test_in_ci_the_last_lines_say_how_each_part_ended_after_all_that_it_said(checkout: Path) -> None:
    done = run(checkout, CI="true")
    lines = done.stdout.splitlines()
    said = lines[: -len(ENDINGS)]
    assert (done.returncode, lines[-len(ENDINGS) :]) == (0, ENDINGS)
    for ending in ENDINGS:
        assert ending.partition(": ")[2] in said


@pytest.mark.parametrize("part", ["TESTS", "REPORT", "CLIENTS"])
def test_in_ci_one_part_that_fails_is_enough_and_the_others_run_all_the_same(
    checkout: Path, part: str
) -> None:
    done = run(checkout, CI="true", **{part: "3"})
    assert (done.returncode, done.stdout.splitlines()[-len(ENDINGS) :]) == (1, ENDINGS)


@pytest.mark.parametrize("part", ["stages.cache", "loadgroup"], ids=["stages", "random"])
def test_a_test_that_fails_only_beside_others_is_named_and_does_not_fail_the_run(
    checkout: Path, part: str
) -> None:
    done = run(checkout, CI="true", PART=part, FAILED='{\n"tests/a.py::one": true\n}', ALONE="0")
    assert "alone: {" in done.stdout
    assert done.returncode == 0
    endings = "".join(done.stdout.splitlines()[-len(ENDINGS) :])
    assert endings.count('mend what fails only beside others: {"tests/a.py::one": true}') == 1


def test_a_test_that_fails_again_when_it_runs_alone_has_failed(checkout: Path) -> None:
    done = run(checkout, CI="true", PART="tests.cache", FAILED='{\n"tests/a.py::one": true\n}', ALONE="1")
    assert (done.returncode, "alone: {" in done.stdout) == (1, True)
    assert done.stdout.splitlines()[-len(ENDINGS)] == "tests: it failed"


def test_many_that_fail_have_failed(checkout: Path) -> None:
    failed = "\n".join(f'"tests/a.py::{number}": true' for number in range(4))
    done = run(checkout, CI="true", PART="tests.cache", FAILED=failed, ALONE="0")
    assert (done.returncode, "alone: " in done.stdout) == (1, False)


@pytest.mark.parametrize("part", ["loadgroup", "collect-only"])
def test_what_is_interrupted_ends_all_of_its_parts_even_where_it_cannot_tidy_up(
    checkout: Path, part: str
) -> None:
    reads, writes = os.pipe()
    python, remove = checkout / ".venv" / "bin" / "python", checkout / "rm"
    goes_on = f'case "$*" in *{part}*) echo begun >/dev/fd/{writes}; exec sleep 120 ;; esac'
    python.write_text(python.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\n{goes_on}\n"))
    remove.write_text("#!/bin/sh\nexit 1\n")
    remove.chmod(0o755)
    # Where a shell runs the tests in the background, they ignore it, and so would the script.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    script = subprocess.Popen(
        [checkout / "scripts" / "test"],
        env={"PATH": f"{checkout}:/usr/bin:/bin", "TMPDIR": str(checkout)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(writes,),
    )
    signal.signal(signal.SIGINT, before)
    os.close(writes)  # now all that has it open is what the script has started
    with open(reads) as news:
        assert news.readline() == "begun\n"
        script.send_signal(signal.SIGINT)
        assert script.wait(PATIENCE_S) == 130
        assert select.select([news], [], [], PATIENCE_S)[0], "a part still runs"
        assert news.read() == ""


def test_what_runs_apart_is_there() -> None:
    assert [path for path in APART if not (SCRIPT.parents[1] / path).exists()] == []
