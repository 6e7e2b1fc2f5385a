"""Writes lines to the standard output and error of the process, whatever becomes of whoever reads them.

A pipe that nobody empties blocks its writer, one without a reader and a full disk raise: none of that may hold up or
end a call. So a thread writes, straight to the file descriptors; lines that cannot be taken are dropped and counted.
"""

import os
import queue
import threading
import time
from types import TracebackType
from typing import Self

MAX_LINES = 10_000
"""Waiting to be written; those beyond are dropped."""

MAX_WRITE_BYTES = 8192
"""Lines that wait are written together until they are as long as that."""

REST_S = 0.005
"""Between two writes: a line that wakes the thread costs whoever logs it more than the line itself."""

CLOSE_S = 1.0
"""How long the last lines may take."""


Line = tuple[int, bytes]
"""And the file that it is for."""

_END: Line = (-1, b"")


class LineWriter:
    """Writes lines in a thread, which the first line starts. Calls never block and never raise, from any thread."""

    def __init__(self, out: int = 1, err: int = 2, max_lines: int = MAX_LINES) -> None:
        """`out` and `err` are file descriptors."""
        self.dropped = 0
        """Lines that were not written."""
        self._out = out
        self._err = err
        self._max_lines = max_lines
        self._lines: queue.SimpleQueue[Line] = queue.SimpleQueue()
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
            self._lines.put(_END)
            thread.join(CLOSE_S)  # stuck in a pipe that nobody reads, it ends with the process

    def _put(self, file: int, text: str) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._serve, name="lines", daemon=True)
                    self._thread.start()
        if self._lines.qsize() < self._max_lines:
            self._lines.put((file, f"{text}\n".encode(errors="backslashreplace")))
        else:
            self.dropped += 1

    def _serve(self) -> None:
        line: Line | None = None
        while (line := line or self._lines.get()) != _END:
            file, data = line
            line = self._waiting()
            while line is not None and line[0] == file and len(data) < MAX_WRITE_BYTES:
                data, line = data + line[1], self._waiting()
            self._write(file, data)
            if line is None:
                time.sleep(REST_S)  # noqa: TID251 - the lines that come meanwhile are written together

    def _waiting(self) -> Line | None:
        try:
            return self._lines.get_nowait()
        except queue.Empty:
            return None

    def _write(self, file: int, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(file, data) :]
        except OSError:  # nobody reads, or the disk is full: perhaps not for ever
            self.dropped += data.count(b"\n")
