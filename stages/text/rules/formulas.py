"""Formulas between the marks of LaTeX, as the signs that other rules have words for: what is found is read again."""

import re
from collections.abc import Iterator

from stages.text.languages.language import Language
from stages.text.rules.rule import Rule, rule

_MOST = "{1,400}?"
_SIGNS = {
    "times": "×", "cdot": "×", "div": "÷", "pm": "±", "leq": "≤", "le": "≤", "geq": "≥", "ge": "≥", "neq": "≠",
    "ne": "≠", "approx": "≈", "to": "→", "rightarrow": "→", "infty": "∞", "sum": "∑", "in": "∈", "degree": "°",
    "circ": "°", "alpha": "α", "beta": "β", "gamma": "γ", "theta": "θ", "lambda": "λ", "mu": "μ", "pi": "π",
    "sigma": "σ", "omega": "ω", "Delta": "Δ", "Omega": "Ω", "ldots": "…", "dots": "…", "quad": " ", "qquad": " ",
}  # fmt: skip
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_GROUPED = re.compile(r"\\(?:text|mathrm|mathbf|mathit|operatorname|boxed|mbox)\s*\{([^{}]*)\}")
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_ROOT = re.compile(r"\\sqrt\s*\{([^{}]*)\}")
_FACTOR = re.compile(r"(?<=\d)(?=[A-Za-z](?<!e)|e(?!\d))")
"""Between a number and the variable that it counts: "2x" is no "two times"."""
_DEPTH = 5


def rules(language: Language) -> Iterator[Rule]:
    r"""`$$…$$`, `\[…\]`, `\(…\)`, and `$…$` where it is no amount of money."""
    over, minus = language.words["over"], language.words["minus"]

    def read(match: re.Match[str]) -> str:
        return re.sub(r"(?<!\^)(?<!\^\{)-", f" {minus} ", _plain(match["formula"], over))

    wordless = r"(?=[^$]*[\\^_=+]|(?:(?![A-Za-z]{3})[^$])*\$)"  # and no price class: "a $$ place, a $$$ one"
    yield rule(rf"\$\${wordless}(?P<formula>[^$]{_MOST})\$\$", read, "$", again=True)
    yield rule(rf"\\\[(?P<formula>[^$]{_MOST})\\\]", read, "\\", again=True)
    yield rule(rf"\\\((?P<formula>[^$]{_MOST})\\\)", read, "\\", again=True)
    marked = r"(?=[^$\n]*[\\^_=+]|\d{0,3}[A-Za-z]\$)"
    yield rule(
        rf"(?<![\w$])\${marked}(?P<formula>[^\s$](?:[^$\n]{{0,200}}[^\s$])?)\$(?![\w$])",
        read,
        "$",
        again=True,
    )
    yield rule(r"\$\$+(?!\d)", " ", "$")


def _plain(formula: str, over: str) -> str:
    """The formula in signs; what has no sign is left out."""
    for _ in range(_DEPTH):  # of groups in groups
        text = _GROUPED.sub(r" \1 ", formula)
        text = _FRACTION.sub(rf" \1 {over} \2 ", text)
        text = _ROOT.sub(r" √ \1 ", text)
        if text == formula:
            break
        formula = text
    text = _COMMAND.sub(lambda command: f" {_SIGNS.get(command[1], '')} ", formula)
    text = _FACTOR.sub(" ", re.sub(r"(?<=\w)_(?=[\w{])", " ", text.replace("^{", "^")))
    return re.sub(r"\\.?|[{}&]", " ", text)
