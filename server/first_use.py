"""What would be made on its first use, made when the server starts: in a call it would hold the loop for up to 0.1 s.

And what a started process keeps for good is set aside from the garbage collector, which otherwise goes through all of
it in every full collection, while every session waits.
"""

import ctypes
import gc
from collections.abc import Iterable
from contextlib import suppress


def make_ready(voice_hz: int, languages: Iterable[str]) -> None:
    """Make what sessions share: resamplers' weights, and how texts are read in these languages; "*" stands for any. For
    a thread."""
    from audio.formats import RATES_HZ, SPEECH_HZ
    from audio.resample import Resampler
    from stages.text.languages import CODES, UNKNOWN
    from stages.text.rules import table

    for rate_hz in RATES_HZ:
        Resampler(rate_hz, SPEECH_HZ)
        Resampler(voice_hz, rate_hz)
    known = {tag.partition("-")[0] for tag in languages}
    for code in (*CODES, UNKNOWN):
        if code == UNKNOWN or code in known or "*" in known:
            for any_script in (False, True):
                table(code, any_script)


COLLECTIONS = (700, 5, 20)
"""When the collector goes through new objects, those that outlived that, and all. Through the new ones it goes twice as
often as usual, so that it holds the loop half as long each time; through all half as often, because that holds the loop
for 10 ms with thirty sessions that speak. A session that has ended leaves it some 270 objects."""


def pause_collector() -> None:
    """Have the collector rest until `set_aside`: what is imported and loaded stays, and going through it takes a tenth
    of the start."""
    gc.disable()


def set_aside() -> None:
    """Keep all that exists now out of the collector's sight; only while there is no session. It is not gone through
    before: of 120,000 objects a thousand were garbage, and that took 60 ms."""
    _trim()
    gc.freeze()
    gc.enable()
    gc.set_threshold(*COLLECTIONS)


_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
"""Of glibc's `mallopt`."""


def give_memory_back() -> None:
    """Have large pieces of memory go back to the system when they are let go of, instead of being kept for their like;
    to be called before anything is loaded. With the embedded models a server takes 45 MB less. Only glibc can."""
    with suppress(OSError, AttributeError, TypeError):  # TypeError: Windows has no such library
        allocator = ctypes.CDLL(None)
        allocator.mallopt(_ARENA_MAX, 2)
        allocator.mallopt(_MMAP_THRESHOLD, 1 << 20)


def _trim() -> None:
    """Give the system back what loading the models has left free. Where the C library cannot, it stays."""
    with suppress(OSError, AttributeError, TypeError):  # TypeError: Windows has no such library
        ctypes.CDLL(None).malloc_trim(0)
