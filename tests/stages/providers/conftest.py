"""Providers that are spoken to over WebSockets alone: their tests run in virtual time, on a network of their own.

Neither a deadline nor a pause of a fake service depends then on how busy the machine is, and neither is waited for. The
same adapters are tested on real sockets in `tests/e2e/test_hosted_providers.py`.
"""

import inspect
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.virtual_network import on_virtual_network

OVER_WEBSOCKETS = frozenset(
    {"cartesia", "deepgram", "elevenlabs", "sockets", "soniox"}
    | {f"test_{name}.py" for name in ("assemblyai", "inworld", "rime", "speechmatics", "turn_services")}
)
"""Folders and files. Providers over HTTP, and those that compute in a thread, need a loop with real time."""


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makemodule(module_path: Path) -> Generator[None, pytest.Module, pytest.Module]:
    """Have the async tests of such a module run on the virtual network."""
    module = yield
    if module_path.relative_to(Path(__file__).parent).parts[0] in OVER_WEBSOCKETS:
        for name, test in list(vars(module.obj).items()):
            if name.startswith("test_") and inspect.iscoroutinefunction(test):
                setattr(module.obj, name, on_virtual_network(test))
    return module
