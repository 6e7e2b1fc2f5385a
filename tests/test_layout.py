"""Which file knows which: what import-linter does not ask."""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("server", "stages", "stageflow", "audio")
pytestmark = pytest.mark.no_cover


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {
    _name(path): ast.parse(path.read_text())
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if "templates" not in path.parts
}


def _imported(tree: ast.Module) -> Iterator[str]:
    """What a file imports anywhere in it: at its head, in a function, for its types alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


LED_BACK = {("stageflow.errors", "stageflow.graph")}
"""For types alone: an error of a run carries the results of the run."""


def _graph() -> Mapping[str, set[str]]:
    return {
        name: {other for other in _imported(tree) if other in MODULES and (name, other) not in LED_BACK}
        - {name}
        for name, tree in MODULES.items()
    }


def test_no_file_leads_back_to_itself() -> None:
    """Not by an import in a function either, and not for types alone."""
    try:
        TopologicalSorter(_graph()).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def test_every_file_that_calls_itself_pure_is_held_to_it() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (pure,) = [contract for contract in contracts if contract["name"].startswith("Pure files")]
    listed = tuple(pure["source_modules"])
    says = [
        name
        for name, tree in MODULES.items()
        if re.search(r"\bpure\b", ast.get_docstring(tree) or "", re.IGNORECASE)
    ]
    assert len(says) > 100
    assert [name for name in says if not any(f"{name}.".startswith(f"{one}.") for one in listed)] == []


def _package_of(name: str) -> str:
    """Where a name must be the only one of its kind: in the server, in the stages, in each adapter by itself."""
    parts = name.split(".")
    return ".".join(parts[:3]) if parts[:2] == ["stages", "providers"] else parts[0]


def test_no_two_classes_of_one_package_have_one_name() -> None:
    homes: dict[tuple[str, str], list[str]] = {}
    for module, tree in MODULES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault((_package_of(module), node.name), []).append(module)
    assert {name: modules for (_, name), modules in homes.items() if len(modules) > 1} == {}


def test_what_describes_a_class_begins_with_a_noun_or_a_verb() -> None:
    """Not with whose it is ("Of one session."), and not with a question ("Who may come in.")."""
    riddles = {
        f"{module}.{node.name}": text
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and (text := ast.get_docstring(node) or "")
        if re.match(r"(Of|Who|Whose|Somebody) ", text)
    }
    assert riddles == {}
