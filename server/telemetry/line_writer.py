"""Writes lines to the standard output and error of the process, whatever becomes of whoever reads them.

A pipe that nobody empties blocks its writer, one without a reader and a full disk raise: none of that may hold up or
end a call. So a thread writes, straight to the file descriptors; lines that cannot be taken are dropped and counted.
"""

import os
import queue
import threading
from types import TracebackType
from typing import Self

MAX_LINES = 10_000
"""Waiting to be written; those beyond are dropped."""

CLOSE_S = 1.0
"""How long the last lines may take."""


class LineWriter:
    """One thread, started by the first line. Calls never block and never raise, from any thread."""

    def __init__(self, out: int = 1, err: int = 2, max_lines: int = MAX_LINES) -> None:
        """`out` and `err` are file descriptors."""
        self.dropped = 0
        """Lines that were not written."""
        self._out = out
        self._err = err
        self._lines: queue.Queue[tuple[int, bytes] | None] = queue.Queue(max_lines)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def say(self, text: str) -> None:
        """A line for people, to the standard output."""
        self._put(self._out, text)

    def log(self, text: str) -> None:
        """A line of the log, to the standard error."""
        self._put(self._err, text)

    def close(self) -> None:
        """Write what waits, and end the thread. Blocks for at most a second."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            try:
                self._lines.put(None, timeout=CLOSE_S)
            except queue.Full:
                return  # it is stuck in a pipe that nobody reads, and ends with the process
            thread.join(CLOSE_S)

    def _put(self, file: int, text: str) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="lines", daemon=True)
                self._thread.start()
        try:
            self._lines.put_nowait((file, f"{text}\n".encode(errors="backslashreplace")))
        except queue.Full:
            self.dropped += 1

    def _serve(self) -> None:
        while (line := self._lines.get()) is not None:
            file, data = line
            try:
                while data:
                    data = data[os.write(file, data) :]
            except OSError:  # nobody reads, or the disk is full: perhaps not for ever
                self.dropped += 1
