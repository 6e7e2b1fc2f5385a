"""`stageflow-voice replay`: run a recorded session again, and say whether it goes as it went.

Nobody is asked: what the providers said, when, comes from the recording. No tool runs, nothing leaves this machine.
"""

import argparse
import logging
from pathlib import Path

from server.cli.replayed import replay_journal
from server.journal.file import read_journal
from server.journal.origin import other_origin
from server.journal.replaying import Replayed, no_collections
from server.journal.tracing import timeline
from server.journal.written_test import write_test


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, and what to do with it."""
    parser.add_argument("file", type=Path, help="what `serve --record DIR` has written")
    parser.add_argument("--trace", action="store_true", help="print the session as a timeline in words")
    parser.add_argument(
        "--write-test",
        type=Path,
        metavar="TEST.py",
        help="write a test that replays the session, with a copy of the recording beside it",
    )
    parser.add_argument(
        "--app",
        metavar="MODULE:APP",
        help="the server with whose pipeline the session was run, if it edits it",
    )


def run(arguments: argparse.Namespace) -> int:
    """0 where the session goes as it went, 1 where not. Raises JournalError."""
    with no_collections():  # the process ends with it
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    journal = read_journal(arguments.file)
    if arguments.trace:
        for line in timeline(journal):
            print(line)
    if arguments.write_test is not None:
        copy = write_test(arguments.file, arguments.write_test, journal, arguments.app)
        print(
            f"wrote {arguments.write_test} and {copy}: the recording holds what was said, in sound and in words"
        )
    logging.disable()  # what a session logs belongs to its server
    try:
        return _told(replay_journal(journal, arguments.file, arguments.app))
    finally:
        logging.disable(logging.NOTSET)


def _told(result: Replayed) -> int:
    journal = result.journal
    if lines := result.differences:
        print("\n".join(lines))
        if origin := other_origin(journal.setup):
            print(origin)
        return 1
    length_s = journal.times_s[journal.turns - 1] - journal.times_s[0] if journal.turns else 0.0
    print(f"the same, bit by bit: {len(journal.told)} frames in {length_s:.1f} s")
    if journal.how != "over":
        print(f"the recording does not go to the end of the session: {journal.how}")
    return 0
