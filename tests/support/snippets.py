"""The Python of a markdown document, by heading, and the smallest frames that it runs in.

A snippet is parsed as it stands and compiled under the document's own name and line numbers: no line of it is
touched, and a traceback points into the document. What a frame adds is added to the syntax tree.
"""

import ast
import inspect
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

ROOT = Path(__file__).parents[2]

_HEADING = re.compile(r"#+ +(?P<heading>.+)")
_FENCE = re.compile(r"```(?P<language>\w*)")


@dataclass(frozen=True, slots=True)
class Snippet:
    """One block of Python. `line` is where it begins in its document, from 1."""

    document: str
    heading: str
    line: int
    code: str

    def tree(self) -> ast.Module:
        """Its syntax tree, with the document's line numbers. A bare `return` or `await` is no error here."""
        return ast.increment_lineno(ast.parse(self.code, self.document), self.line - 1)

    def run(self, namespace: dict[str, Any]) -> dict[str, Any]:
        """Run it as a module with these names; returns the names that there are afterwards."""
        return self._run(self.tree(), namespace)

    async def steps(self, namespace: dict[str, Any]) -> AsyncIterator["Step"]:
        """Run it statement by statement; `await` is allowed."""
        for statement in self.tree().body:
            target = "_"
            end = self.code.splitlines()[(statement.end_lineno or 0) - self.line]
            comment = end.rpartition("  # ")[2] if isinstance(statement, ast.Expr) and "  # " in end else ""
            match statement:
                case ast.Expr(value=value):
                    assigned = ast.Assign([ast.Name(target, ast.Store())], value)
                    statement = ast.fix_missing_locations(ast.copy_location(assigned, statement))
                case ast.Assign(targets=[ast.Name(id=target)]):
                    pass
            namespace.pop(target, None)
            code = self._compiled(ast.Module([statement], []), ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            if inspect.isawaitable(running := eval(code, namespace)):
                await running
            yield Step(statement.lineno, namespace.get(target), comment)

    def execute(self, namespace: dict[str, Any], *, give_locals: bool = False) -> Any:
        """The `execute` that the snippet defines, or whose body it is.

        With `give_locals` it returns, at its end, what it had in its local variables.
        """
        tree = self.tree()
        if not any(isinstance(node, ast.AsyncFunctionDef) for node in tree.body):
            frame = _one("async def execute(self, ctx): ...")
            frame.body = tree.body
            tree = ast.Module([frame], [])
        function = next(node for node in tree.body if isinstance(node, ast.AsyncFunctionDef))
        if give_locals:
            function.body.append(_one(_GIVE_LOCALS).body[0])
        return self._run(ast.fix_missing_locations(tree), namespace)["execute"]

    def _run(self, tree: ast.Module, namespace: dict[str, Any]) -> dict[str, Any]:
        exec(self._compiled(tree), namespace)
        return namespace

    def _compiled(self, tree: ast.Module, flags: int = 0) -> CodeType:
        code: CodeType = compile(tree, str(ROOT / self.document), "exec", flags)
        return code


@dataclass(frozen=True, slots=True)
class Step:
    """One statement that has run: the value of an expression, or what it assigned; and the comment behind it."""

    line: int
    value: Any
    comment: str = ""


_GIVE_LOCALS = """
async def execute(self, ctx):
    return {name: value for name, value in locals().items() if name not in ("self", "ctx")}
"""


def _one(source: str) -> ast.AsyncFunctionDef:
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.AsyncFunctionDef)
    return function


def snippets(document: str, wanted: str = "python") -> dict[str, Snippet]:
    """Every block of a language of a document by its heading; further ones under it as `heading (2)` and so on."""
    found: dict[str, Snippet] = {}
    heading, language, begins, lines = "", None, 0, list[str]()
    for number, line in enumerate((ROOT / document).read_text().splitlines(), 1):
        fence = _FENCE.match(line)
        if language is None and fence:
            language, begins, lines = fence["language"], number + 1, []
        elif language is None and (title := _HEADING.match(line)):
            heading = title["heading"]
        elif fence:
            if language == wanted:
                count = sum(snippet.heading == heading for snippet in found.values()) + 1
                key = heading if count == 1 else f"{heading} ({count})"
                found[key] = Snippet(document, heading, begins, "\n".join(lines) + "\n")
            language = None
        elif language is not None:
            lines.append(line)
    return found
