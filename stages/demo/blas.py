"""Keeps numpy's matrix products on the thread that asks for them.

OpenBLAS, which numpy's wheels bring along, spreads every product over all cores and lets its threads spin
while they wait for each other. On a server whose cores are busy that turns a tenth of a second into
several; one thread is slower by a third on an idle machine and not much slower on a busy one. There is no
call for this in numpy, and the environment variable works only before numpy is imported, so the library is
asked directly.
"""

import ctypes
from pathlib import Path

import numpy as np

_SETTERS = (
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "openblas_set_num_threads",
)


def use_one_blas_thread() -> bool:
    """Keep the process's matrix products on one thread; False if numpy has no OpenBLAS of its own."""
    for path in _openblas_libraries(Path(np.__file__).parent):
        library = ctypes.CDLL(str(path))  # loaded already, so this only finds it
        for name in _SETTERS:
            setter = getattr(library, name, None)
            if setter is not None:
                setter(ctypes.c_int(1))
                return True
    return False


def _openblas_libraries(numpy: Path) -> list[Path]:
    """Where the wheels for Linux and Windows, and those for macOS, put it."""
    return sorted([*numpy.parent.glob("numpy.libs/*openblas*"), *numpy.glob(".dylibs/*openblas*")])
