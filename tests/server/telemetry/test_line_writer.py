"""Lines that go nowhere hold nobody up."""

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest

from server.telemetry.line_writer import LineWriter


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for end in (reader, writer):
        with suppress(OSError):
            os.close(end)


def test_lines_are_written_in_their_order(pipe: tuple[int, int]) -> None:
    reader, end = pipe
    with LineWriter(end, end) as writer:
        for number in range(3):
            writer.say(f"said {number}")
            writer.log(f"logged {number}\ud800")
    assert os.read(reader, 1000).decode() == "".join(f"said {n}\nlogged {n}\\ud800\n" for n in range(3))
    assert writer.dropped == 0


def test_a_reader_that_is_gone_costs_the_lines_and_nothing_else(pipe: tuple[int, int]) -> None:
    reader, end = pipe
    os.close(reader)
    with LineWriter(end, end) as writer:
        writer.say("one")
        writer.log("two")
    assert writer.dropped == 2


def test_a_reader_that_does_not_read_costs_the_lines_and_nothing_else(pipe: tuple[int, int]) -> None:
    reader, end = pipe
    writer = LineWriter(end, end, max_lines=10)
    for _ in range(100):
        writer.log("x" * 10_000)  # more than a pipe holds, and would block whoever writes it
    assert writer.dropped >= 80
    os.close(reader)  # whoever is stuck in it is let go
    writer.close()
