"""Files and functions stay small: the limits of the house style."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = [
    path for package in ("audio", "stageflow", "stages", "server") for path in (ROOT / package).rglob("*.py")
]


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 500
    long = [
        f"{node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > 60
    ]
    assert not long
    assert ast.get_docstring(ast.parse(text)), "a module opens with what it is for"


def test_the_framework_stays_small() -> None:
    """It can be read in an evening: 3,150 lines in all. Who adds to it takes something out."""
    lines = sum(path.read_text().count("\n") for path in (ROOT / "stageflow").rglob("*.py"))
    assert lines <= 3_150
