"""One thread for matrix products: that OpenBLAS is found where numpy brings it, and then obeys."""

import ctypes
from pathlib import Path

import numpy as np
import pytest

from stages.demo.blas import use_one_blas_thread


def test_openblas_uses_one_thread_afterwards() -> None:
    if not use_one_blas_thread():
        pytest.skip("this numpy has no OpenBLAS of its own")
    (path, *_) = (Path(np.__file__).parents[1] / "numpy.libs").glob("*openblas*")
    assert ctypes.CDLL(str(path)).scipy_openblas_get_num_threads64_() == 1
