"""The pytest plug-in: runs a contract of `stages.testing.suites` as one test for each of its checks."""

from typing import Any


def pytest_generate_tests(metafunc: Any) -> None:
    """The checks of a contract, by name."""
    contract = metafunc.cls
    if (
        contract is not None
        and metafunc.function.__name__ == "test_contract"
        and hasattr(contract, "check_names")
    ):
        metafunc.parametrize("check", contract().check_names())
