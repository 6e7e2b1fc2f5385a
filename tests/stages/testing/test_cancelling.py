"""That a call is late because others have the core is not counted against it; that it computes or waits is."""

import os
import subprocess
import sys
import time

import pytest

from stages.testing.cancelling import kept_waiting_s

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells how long a thread has waited"
)


def test_time_without_a_core_is_told_and_time_with_one_is_not() -> None:
    cores = os.sched_getaffinity(0)
    core = min(cores)
    busy = f"import os\nos.sched_setaffinity(0, {{{core}}})\nprint('.', flush=True)\nwhile True: pass"
    os.sched_setaffinity(0, {core})
    try:
        with subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            other.stdout.readline()
            before_s, began_s, computed_s = kept_waiting_s(), time.perf_counter(), time.thread_time()
            while time.thread_time() - computed_s < 0.1:
                pass
            took_s, waited_s = time.perf_counter() - began_s, kept_waiting_s() - before_s
            other.kill()
    finally:
        os.sched_setaffinity(0, cores)
    assert waited_s > 0.01, "two wanted one core"
    assert waited_s <= took_s - 0.1 + 0.02, "what it computed itself is not counted"
