"""The file of one recorded session: a line that names the format, then records, compressed as they come.

A record is two lengths (little-endian u32), JSON, and the bytes that the JSON refers to; or, for a frame of the client,
of which there are fifty a second, 0 and the length of what `_FRAME` begins. What a file that was cut off still holds
can be read. One thread writes the files of all sessions, and encodes: the event loop only hands over.
"""

import json
import logging
import os
import queue
import struct
import threading
import zlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO

from server.domain.errors import ServerError
from server.journal import records as rec
from server.journal.beyond import ArrivalKind
from server.journal.codec import Packer, UnknownValue, unpack
from server.journal.frames import kept

log = logging.getLogger(__name__)

_FORMAT = "stageflow-voice journal "
VERSION = 2
"""Of the format; 1 had no records of their own for a client's frames."""
MAGIC = f"{_FORMAT}{VERSION}\n".encode()
_LENGTHS = struct.Struct("<II")
_FRAME = struct.Struct("<IIB")
"""The turn, the errand's number, and whether the frame is text."""
_frame_at, _FRAME_BYTES, _VALUE = _FRAME.unpack_from, _FRAME.size, ArrivalKind.VALUE
_read_json = json.JSONDecoder().decode
_RECORDS = {
    one.__name__: one
    for one in (rec.Asked, rec.Came, rec.Deed, rec.Told, rec.Over, rec.Numbers, rec.Read, rec.Raised)
}
_OVERHEAD_BYTES = 48
MAX_WAITING_BYTES = 64 << 20
"""Of all sessions, between the loop and the disk."""
_CLOSE_S = 5.0


class JournalError(ServerError):
    """A file that is no journal, or cannot be replayed here; the message says why."""


@dataclass(slots=True)
class Journal:
    """What a file holds, for `replaying`."""

    setup: dict[str, Any]
    """What the session was made of, as `server.journal.setup` has it."""
    times_s: "array[float]" = field(default_factory=lambda: array("d"))
    """When each turn began, by the recorded loop's clock."""
    scores: "array[float]" = field(default_factory=lambda: array("d"))
    came: list[rec.Came | rec.Deed] = field(default_factory=list)
    asked: list[rec.Asked] = field(default_factory=list)
    told: list[rec.Told] = field(default_factory=list)
    reads: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    raised: dict[int, Exception] = field(default_factory=dict)
    how: str = "cut off"
    """How it ended: `over`, or why there is no more."""

    @property
    def turns(self) -> int:
        """How many there are of which everything is known."""
        return len(self.times_s) if self.how == "over" else max(0, len(self.times_s) - 1)


class RecordWriter:
    """Writes the records of all sessions, in one thread. Made when the first session is recorded."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[SessionFile, Any, int] | None] = queue.SimpleQueue()
        self.waiting_bytes = 0
        """A little wrong at times: two threads count."""
        self._thread = threading.Thread(target=self._serve, name="journal", daemon=True)
        self._thread.start()

    def put(self, file: "SessionFile", record: Any, size_bytes: int) -> None:
        """Have it written. Never waits."""
        self.waiting_bytes += size_bytes
        self._queue.put((file, record, size_bytes))

    def close(self) -> None:
        """Write what waits, and end. Blocks."""
        self._queue.put(None)
        self._thread.join(_CLOSE_S)

    def _serve(self) -> None:
        while (item := self._queue.get()) is not None:
            file, record, size_bytes = item
            file.write(record)
            self.waiting_bytes -= size_bytes


class SessionFile:
    """Where the records of one session go, up to so many bytes. Implements `server.journal.recording.Sink`."""

    def __init__(self, path: Path, writer: RecordWriter, max_bytes: int) -> None:
        self._path = path
        self._writer = writer
        self._left_bytes = max_bytes
        self.refused = ""
        """Why no more is taken; empty as long as it is."""
        self.rest: Callable[[], list[rec.Numbers]] = list
        self._file: BinaryIO | None = None
        self._compress = zlib.compressobj(1)

    def begin(self, setup: dict[str, Any]) -> None:
        """The first record."""
        self._writer.put(self, setup, 0)

    def put(self, record: rec.Entry, size_bytes: int) -> None:
        """See `Sink`."""
        if self.refused:
            return
        self._left_bytes -= size_bytes + _OVERHEAD_BYTES
        if self._left_bytes < 0:
            self._refuse(record, "the recording is as large as it may be")
        elif self._writer.waiting_bytes > MAX_WAITING_BYTES:
            self._refuse(record, "the disk does not keep up")
        else:
            self._writer.put(self, record, size_bytes)

    def close(self) -> None:
        """Close the file: nothing more comes."""
        self._writer.put(self, None, 0)

    def _refuse(self, record: rec.Entry, why: str) -> None:
        self.refused = why
        log.warning("%s: %s; what comes is not recorded, and the session goes on", self._path.name, why)
        held = [record] if isinstance(record, rec.Numbers) else []
        for last in (*held, *self.rest(), rec.Over(0, why)):
            self._writer.put(self, last, 0)

    # --- in the thread -------------------------------------------------------------------------------------------

    def write(self, record: Any) -> None:
        """Encode it and write it; never raises."""
        try:
            if record is None:
                self._end()
                return
            if self._file is None:
                handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                self._file = os.fdopen(handle, "wb")
                self._file.write(MAGIC)
            self._file.write(self._compress.compress(encode(record)))
        except Exception as error:  # noqa: BLE001  # of one session; the thread writes for the others too
            if not self.refused:
                self.refused = str(error) or type(error).__name__
                log.warning("%s cannot be recorded any more: %s", self._path.name, self.refused)

    def _end(self) -> None:
        if self._file is not None:
            self._file.write(self._compress.flush())
            self._file.close()
            self._file = None


def encode(record: Any) -> bytes:
    """One record as bytes. Raises UnknownValue."""
    if (
        isinstance(record, rec.Came)
        and record.kind is ArrivalKind.VALUE
        and type(record.value) in (str, bytes)
    ):
        return _frame(record)
    packer = Packer()
    if isinstance(record, dict):
        packed = {"is": "Setup", "setup": packer.pack(record)}
    else:
        if isinstance(record, rec.Told):
            record = rec.Told(record.turn, record.wire, kept(record.frame))
        if isinstance(record, rec.Came):
            record = rec.Came(record.turn, record.number, record.kind.value, record.value)  # type: ignore[arg-type]
        packed = {one.name: packer.pack(getattr(record, one.name)) for one in fields(record)}
        packed["is"] = type(record).__name__
    text = json.dumps(packed, separators=(",", ":")).encode()
    return _LENGTHS.pack(len(text), len(packer.blob)) + text + packer.blob


def _frame(record: rec.Came) -> bytes:
    is_text = type(record.value) is str
    data: bytes = record.value.encode("utf-8", "surrogatepass") if is_text else record.value
    head = _FRAME.pack(record.turn, record.number, is_text)
    return _LENGTHS.pack(0, len(head) + len(data)) + head + data


def read_journal(path: Path) -> Journal:
    """All that a file holds. Blocks. Raises JournalError."""
    try:
        with path.open("rb") as file:
            if (line := file.readline(64)) != MAGIC:
                raise JournalError(f"{path} {_other(line)}")
            return _gathered(_records(_plain(file)), path)
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error}") from None
    except (KeyError, TypeError, ValueError, UnknownValue, zlib.error) as error:
        raise JournalError(f"{path} cannot be understood: {type(error).__name__}: {error}") from error


def _other(line: bytes) -> str:
    name, _, version = line.decode("ascii", "replace").strip().rpartition(" ")
    if f"{name} " == _FORMAT and version.isdigit():
        reads = f"and this version of the server reads format {VERSION}"
        return f"is a recording of format {version}, {reads}: replay it with the version that made it"
    return "is no recording"


def _plain(file: BinaryIO) -> Iterator[bytes]:
    expand = zlib.decompressobj()
    while piece := file.read(1 << 20):
        yield expand.decompress(piece)


def _records(pieces: Iterator[bytes]) -> Iterator[Any]:
    """The setup, then records."""
    held = b""
    lengths_of, head_bytes = _LENGTHS.unpack_from, _LENGTHS.size
    for piece in pieces:
        held = held + piece if held else piece
        at, last = 0, len(held) - head_bytes
        while at <= last:
            text_bytes, blob_bytes = lengths_of(held, at)
            text_at = at + head_bytes
            end = text_at + text_bytes + blob_bytes
            if len(held) < end:
                break
            yield _record(held, text_at, text_bytes, end) if text_bytes else _came(held, text_at, end)
            at = end
        held = held[at:]


def _came(held: bytes, at: int, end: int) -> rec.Came:
    turn, number, is_text = _frame_at(held, at)
    data = held[at + _FRAME_BYTES : end]
    return rec.Came(turn, number, _VALUE, data.decode("utf-8", "surrogatepass") if is_text else data)


def _record(held: bytes, at: int, text_bytes: int, end: int) -> Any:
    named = _read_json(held[at : at + text_bytes].decode())
    blob = held[at + text_bytes : end]
    for name, value in named.items():
        if type(value) in (dict, list):
            named[name] = unpack(value, blob)
    kind = named.pop("is")
    if kind == "Came":
        named["kind"] = ArrivalKind(named["kind"])
    return named["setup"] if kind == "Setup" else _RECORDS[kind](**named)


def _gathered(records: Iterator[Any], path: Path) -> Journal:
    setup = next(records, None)
    if not isinstance(setup, dict):
        raise JournalError(f"{path} does not say what its session was made of")
    journal = Journal(setup)
    for record in records:
        _add(journal, record)
    # Of the last turn of a file that was cut off not everything is there.
    journal.told = [told for told in journal.told if told.turn < journal.turns]
    journal.asked = [asked for asked in journal.asked if asked.turn < journal.turns]
    return journal


def _add(journal: Journal, record: Any) -> None:
    match record:
        case rec.Came() | rec.Deed():
            journal.came.append(record)
        case rec.Asked():
            journal.asked.append(record)
        case rec.Told():
            journal.told.append(record)
        case rec.Numbers():
            (journal.times_s if record.name == "turns" else journal.scores).frombytes(record.data)
        case rec.Read():
            journal.reads.setdefault(record.key, []).append((record.count, record.value))
        case rec.Raised():
            journal.raised[record.count] = record.error
        case rec.Over():
            journal.how = record.how
