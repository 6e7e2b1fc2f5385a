"""Words that say in their sound which they are: tones, written by a scripted voice, read by a listener. Pure.

A mark is a tone that begins it and seven of sixteen tones, 8 ms each, of 28 bits: a hash of the word or the number
in it, its place in what was said at once, whether it is the last there, how long it lasts, and a checksum. It is
read at any rate of 8 kHz or more, at any loudness, and wherever it begins.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from audio.formats import Samples

SYMBOL_MS = 8
SYMBOLS = 7
MARK_MS = SYMBOL_MS * (SYMBOLS + 1)
_LOWEST_HZ, _STEP_HZ = 500, 125
_BEGIN = 16
"""The tone that begins a mark, above the sixteen others."""

_HOP_MS = 2
_SURE = 0.5
"""So much of the energy of a stretch is in its tone."""

_QUIET = 30.0
"""A stretch whose samples are smaller than this on average holds no tone."""

UNIT_MS = 70
"""In which a mark tells how long its word lasts."""

PLACES = 1 << 6
_VALUES, _MOST_UNITS, _CHECKS = 1 << 12, 15, 1 << 4
_EDGES = re.compile(r"^\W+|\W+$")
_NAME_BEGINS, _CONSONANTS = "zim", "bcdfghjklmnprstv"
_NAME = re.compile(f"{_NAME_BEGINS}(?:[{_CONSONANTS}]a){{3}}")
_WORD = re.compile(r"\S*\w\S*")


@dataclass(frozen=True, slots=True)
class Mark:
    """What a word says of itself."""

    is_name: bool
    """Whether the word is a name (`name_of`), of which `value` then is the number."""
    value: int
    """12 bits."""
    place: int
    """Words before it in what was said at once, 6 bits."""
    is_last: bool
    units: int
    """The voice of the word lasts at least so many times 70 ms; at most 15."""


@dataclass(frozen=True, slots=True)
class HeardMark:
    """A mark and where it began; None is one that cannot be read, because it was cut or is garbled."""

    at: int
    """Sample."""
    mark: Mark | None


def words_of(text: str) -> list[str]:
    """The words of a text, of which each has a mark."""
    return _WORD.findall(text)


def mark_of(word: str, place: int, *, is_last: bool, lasts_ms: float) -> Mark:
    """The mark of a word, whatever its case and what punctuation is at it."""
    is_name, value = code_of(word)
    return Mark(is_name, value, place % PLACES, is_last, min(int(lasts_ms / UNIT_MS), _MOST_UNITS))


def code_of(word: str) -> tuple[bool, int]:
    """What of the mark is of the word alone: `is_name` and `value`."""
    folded = _EDGES.sub("", word.casefold())
    if _NAME.fullmatch(folded):
        digits = [_CONSONANTS.index(letter) for letter in folded[len(_NAME_BEGINS) :: 2]]
        return True, digits[0] << 8 | digits[1] << 4 | digits[2]
    return False, zlib.crc32(folded.encode()) % _VALUES


def name_of(number: int) -> str:
    """A name for whoever has this number, of 12 bits: a word of letters, which no normaliser of texts changes."""
    digits = (number >> 8 & 15, number >> 4 & 15, number & 15)
    return _NAME_BEGINS + "".join(f"{_CONSONANTS[digit]}a" for digit in digits)


def write_mark(mark: Mark, rate_hz: int, amplitude: float) -> Samples:
    """The sound of a mark, `int16[n]`, `MARK_MS` long."""
    tones = [_BEGIN, *_symbols(mark)]
    size = rate_hz * SYMBOL_MS // 1000
    times_s = np.arange(size) / rate_hz
    fade = np.minimum(1.0, np.minimum(np.arange(size), np.arange(size)[::-1]) / max(1, size // 16))
    waves = [np.sin(2 * np.pi * (_LOWEST_HZ + _STEP_HZ * tone) * times_s) * fade for tone in tones]
    return (np.concatenate(waves) * amplitude).astype(np.int16)


def read_marks(samples: Samples, rate_hz: int) -> list[HeardMark]:
    """All marks in `int16[n]`, in order."""
    size, hop = rate_hz * SYMBOL_MS // 1000, rate_hz * _HOP_MS // 1000
    if len(samples) < size:
        return []
    sound = samples.astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(sound, size)[::hop]
    shares = _shares(windows, rate_hz, slice(_BEGIN, _BEGIN + 1))[:, 0]
    found: list[HeardMark] = []
    at = 0
    while at < len(shares):
        if shares[at] < _SURE:
            at += 1
            continue
        end = at
        while end < len(shares) and shares[end] >= _SURE:
            end += 1
        best = at + int(np.argmax(shares[at:end]))
        mark = _read(sound[best * hop : best * hop + size * (SYMBOLS + 1)], size, rate_hz)
        found.append(HeardMark(best * hop, mark))
        at = max(end, best + (SYMBOLS + 1) * size // hop - 1) if mark is not None else end
    return found


def _read(sound: NDArray[np.float32], size: int, rate_hz: int) -> Mark | None:
    if len(sound) < size * (SYMBOLS + 1):
        return None
    shares = _shares(sound.reshape(SYMBOLS + 1, size)[1:], rate_hz, slice(_BEGIN))
    if float(shares.max(axis=1).min()) < _SURE / 2:
        return None
    return _mark([int(symbol) for symbol in shares.argmax(axis=1)])


def _shares(windows: NDArray[np.float32], rate_hz: int, tones: slice) -> NDArray[np.float32]:
    """Of each window's energy, how much is in each of these tones."""
    cosines, sines = _basis(rate_hz)
    power = (windows @ cosines[:, tones]) ** 2 + (windows @ sines[:, tones]) ** 2
    energy = np.einsum("ij,ij->i", windows, windows)
    size = windows.shape[1]
    share = power * 2 / (size * np.maximum(energy, 1.0))[:, None]
    return np.where((energy > size * _QUIET**2)[:, None], share, 0.0)


@cache
def _basis(rate_hz: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosines and sines of all tones, `float32[size, 17]` each."""
    times_s = np.arange(rate_hz * SYMBOL_MS // 1000) / rate_hz
    angles = 2 * np.pi * np.outer(times_s, _LOWEST_HZ + _STEP_HZ * np.arange(_BEGIN + 1))
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def _symbols(mark: Mark) -> list[int]:
    bits = mark.is_name << 12 | mark.value
    bits = (bits << 6 | mark.place) << 1 | mark.is_last
    bits = bits << 4 | mark.units
    bits = bits << 4 | _check(bits)
    return [bits >> 4 * place & 15 for place in reversed(range(SYMBOLS))]


def _mark(symbols: Sequence[int]) -> Mark | None:
    whole = 0
    for symbol in symbols:
        whole = whole << 4 | symbol
    bits, check = whole >> 4, whole & 15
    if _check(bits) != check:
        return None
    return Mark(bool(bits >> 23 & 1), bits >> 11 & 4095, bits >> 5 & 63, bool(bits >> 4 & 1), bits & 15)


def _check(bits: int) -> int:
    return zlib.crc32(bits.to_bytes(4, "big")) % _CHECKS
