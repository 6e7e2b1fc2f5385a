"""A table from texts to JSON values that stays on the disk: opening it costs nothing, only what is looked up is read.

Layout, little-endian: 8 bytes of mark, the number of slots and the bytes of the file as uint32, the slots, the entries.
There are 2^n slots, more than half of them empty. An entry is at the slot that CRC-32 of its key names, or at the next
that is free; a slot has its place in the file, 0 for none. An entry is the length of key and value as two uint32, the
key in UTF-8, the value in JSON.
"""

import json
import mmap
import struct
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

_MARK = b"TEXTTAB2"
_HEAD = struct.Struct("<8sII")
_LENGTHS = struct.Struct("<II")
_KEPT = 4096
"""Values that were looked up last stay in memory: language repeats itself."""


class TextTable:
    """A table that `write_table` has written. Any number of threads and processes may read it."""

    def __init__(self, path: Path) -> None:
        """Raises OSError, and ValueError for another kind of file, or a part of one."""
        with path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        is_headed = len(self._data) >= _HEAD.size
        mark, slots, size_bytes = _HEAD.unpack_from(self._data) if is_headed else (b"", 0, 0)
        end = _HEAD.size + 4 * slots
        if mark != _MARK or not slots or not end <= size_bytes == len(self._data):
            raise ValueError(f"{path} is no table of texts")
        self._slots = memoryview(self._data)[_HEAD.size : end].cast("I")
        self._mask = slots - 1
        self.get = lru_cache(_KEPT)(self._find)
        """The value of a key, which must not be changed, or None."""

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def _find(self, key: str) -> Any:
        wanted = key.encode(errors="surrogatepass")  # half a character is in no table
        slot = zlib.crc32(wanted) & self._mask
        while at := self._slots[slot]:
            key_bytes, value_bytes = _LENGTHS.unpack_from(self._data, at)
            value_at = at + _LENGTHS.size + key_bytes
            if self._data[at + _LENGTHS.size : value_at] == wanted:
                return json.loads(self._data[value_at : value_at + value_bytes])
            slot = (slot + 1) & self._mask
        return None


class Column:
    """Those entries of a table whose keys begin alike, by the rest of their keys."""

    def __init__(self, table: TextTable, name: str) -> None:
        self._get = table.get
        self._name = name

    def get(self, key: str) -> Any:
        """As `TextTable.get`."""
        return self._get(self._name + key)

    def __contains__(self, key: str) -> bool:
        return self._get(self._name + key) is not None


def write_table(path: Path, entries: Iterable[tuple[str, Any]]) -> None:
    """Write a table; of entries with one key the first counts. None of the values may be None. Raises OSError."""
    encoded = [(key.encode(), json.dumps(value, ensure_ascii=False).encode()) for key, value in entries]
    slots = [0] * (1 << (2 * len(encoded)).bit_length())
    at = _HEAD.size + 4 * len(slots)
    size_bytes = at + sum(_LENGTHS.size + len(key) + len(value) for key, value in encoded)
    for (key, _), place in zip(encoded, _places(encoded, at), strict=True):
        slot = zlib.crc32(key) & (len(slots) - 1)
        while slots[slot]:
            slot = (slot + 1) & (len(slots) - 1)
        slots[slot] = place
    with path.open("wb") as file:
        file.write(_HEAD.pack(_MARK, len(slots), size_bytes) + struct.pack(f"<{len(slots)}I", *slots))
        for key, value in encoded:
            file.write(_LENGTHS.pack(len(key), len(value)) + key + value)


def _places(encoded: Iterable[tuple[bytes, bytes]], at: int) -> Iterator[int]:
    for key, value in encoded:
        yield at
        at += _LENGTHS.size + len(key) + len(value)
