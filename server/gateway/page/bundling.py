"""Modules of the page, each put into one file with all that it imports: a browser asks once, and not forty times.

They lie beside each other and keep to a few forms, which are all that is understood here: `import {…} from "./x.js"` or
`import "./x.js"` at the beginning of a line, and `export` before a function, class or constant. Style sheets that begin
with `@import "x.css";` get what they name.
"""

import re
from collections.abc import Mapping

_IMPORT = re.compile(r'^import (?:\{([^}]*)\} from )?"\./([\w.-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
_OTHER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*(?:/\*\*.*?\*/|//[^\n]*)[ \t]*\n", re.MULTILINE | re.DOTALL)
_CSS_IMPORT = re.compile(r'^@import "([\w.-]+)";\n', re.MULTILINE)


def bundle(entry: str, sources: Mapping[str, str]) -> str:
    """One module that does and exports what `entry` does, with all that it imports; comments on lines of their own are
    left out. Raises ValueError for a form that is not understood and for modules that import each other in a circle."""
    order: list[str] = []
    _visit(entry, sources, order, ())
    parts = [_wrapped(name, sources[name]) for name in order]
    names = ", ".join(_exports(sources[entry]))
    return "".join(parts) + (f"export const {{ {names} }} = {_variable(entry)};\n" if names else "")


def bundle_styles(entry: str, sources: Mapping[str, str]) -> str:
    """A style sheet, with those that it imports in their places."""
    return _CSS_IMPORT.sub(lambda match: bundle_styles(match[1], sources), sources[entry])


def _visit(name: str, sources: Mapping[str, str], order: list[str], above: tuple[str, ...]) -> None:
    """Put the module and all that it needs into `order`, each once and after what it needs."""
    if name in above:
        raise ValueError(" imports ".join((*above, name)))
    if name in order:
        return
    for match in _IMPORT.finditer(sources[name]):
        _visit(match[2], sources, order, (*above, name))
    order.append(name)


def _wrapped(name: str, source: str) -> str:
    """A module as a function that is called once and returns what it exports."""
    exports = ", ".join(_exports(source))
    body = _COMMENT.sub("", _EXPORT.sub("", _IMPORT.sub(_taken, source)))
    if left := _OTHER.search(body):
        raise ValueError(f"{name}: {left[0]!r} cannot be bundled")
    return f"const {_variable(name)} = (() => {{\n{body}return {{ {exports} }};\n}})();\n"


def _taken(match: re.Match[str]) -> str:
    if match[1] is None:
        return ""
    return f"const {{{match[1].replace(' as ', ': ')}}} = {_variable(match[2])};\n"


def _exports(source: str) -> list[str]:
    return [match[1] for match in _EXPORT.finditer(source)]


def _variable(name: str) -> str:
    return "$" + name.removesuffix(".js").replace("-", "_").replace(".", "_")
