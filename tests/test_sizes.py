"""Files and functions stay small: the limits of the house style."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = [
    path
    for package in ("audio", "stageflow", "stages", "server", "scripts")
    for path in (ROOT / package).rglob("*.py")
]
pytestmark = pytest.mark.no_cover
MOST_LINES = 300
MOST_LINES_OF_A_FUNCTION = 40
LARGE = {
    "stages/ports.py": 500,  # the protocols of all kinds of providers: who writes one reads them in one place
    "server/turntaking/floor_table.py": 340,  # one table, with its states, events and commands, and nothing that runs
}
"""Files that may be longer, with the most lines of each."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is held against the limits of one file: not its tree, which every later test would pay for."""

    lines: int
    long_functions: tuple[str, ...]
    has_docstring: bool
    classes: tuple[tuple[str, int, int], ...]


@cache
def _sizes(path: Path) -> Sizes:
    text = path.read_text()
    tree = ast.parse(text)
    long = [
        f"{node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > MOST_LINES_OF_A_FUNCTION
    ]
    return Sizes(text.count("\n"), tuple(long), bool(ast.get_docstring(tree)), tuple(_measures(tree)))


def _measures(tree: ast.Module) -> Iterator[tuple[str, int, int]]:
    """Of each class its name, how many methods it has, and how many attributes it sets on itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            methods = sum(isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) for part in node.body)
            attributes = {
                part.attr
                for part in ast.walk(node)
                if isinstance(part, ast.Attribute)
                and isinstance(part.ctx, ast.Store)
                and isinstance(part.value, ast.Name)
                and part.value.id == "self"
            }
            yield node.name, methods, len(attributes)


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_small(path: Path) -> None:
    sizes = _sizes(path)
    assert sizes.lines <= LARGE.get(str(path.relative_to(ROOT)), MOST_LINES)
    assert not sizes.long_functions
    assert sizes.has_docstring, "a module opens with what it is for"


def test_classes_are_small() -> None:
    """15 methods and 12 attributes at most."""
    large = {
        name
        for path in PRODUCT
        for name, methods, attributes in _sizes(path).classes
        if methods > 15 or attributes > 12
    }
    assert not large


def test_the_framework_stays_small() -> None:
    """It can be read in an evening: 2,918 lines in all. Who adds to it takes something out."""
    lines = sum(path.read_text().count("\n") for path in (ROOT / "stageflow").rglob("*.py"))
    assert lines <= 2_918


def test_the_demo_stays_small() -> None:
    """It shows what an agent can be, and nobody has to read much of it: 1,000 lines in all."""
    lines = sum(path.read_text().count("\n") for path in (ROOT / "stages" / "demo").rglob("*.py"))
    assert lines <= 1_000


def _switches(node: ast.ClassDef) -> set[str]:
    """The attributes that methods switch to True or False."""
    return {
        target.attr
        for method in node.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and method.name != "__init__"
        for part in ast.walk(method)
        if isinstance(part, ast.Assign) and isinstance(part.value, ast.Constant)
        if isinstance(part.value.value, bool)
        for target in part.targets
        if isinstance(target, ast.Attribute)
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
    }


def test_a_class_that_is_in_a_state_says_which() -> None:
    """It has one switch at most: two of them are four states, of which some cannot be."""
    found = {
        f"{path.relative_to(ROOT)}: {node.name}": switches
        for path in PRODUCT
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and len(switches := _switches(node)) > 1
    }
    assert found == {}
