"""The table of what is said for what is written, by responsibility; the first rule that matches at a place wins."""

from functools import cache

from stages.text.languages import CODES, language
from stages.text.rules import (
    abbreviations,
    addresses,
    continental,
    dates,
    formulas,
    markup,
    names,
    quantities,
    scripts,
    signs,
)
from stages.text.rules.rule import Rule


@cache
def table(code: str, any_script: bool) -> tuple[Rule, ...]:
    """The rules of a language by its tag ("de", "de-AT"), those that win first; without CODES, of markup only.

    `any_script`: whether the voice reads all scripts itself.
    """
    code = code.split("-")[0].casefold()
    if code not in CODES:
        return (*markup.rules(), *signs.unknown())
    own = language(code)
    return (
        *formulas.rules(own),
        *markup.rules(),
        *addresses.rules(own),
        *dates.rules(own),
        *continental.rules(own),
        *names.rules(own),
        *abbreviations.rules(own),
        *signs.comparisons(own),
        *quantities.rules(own),
        *(() if any_script else scripts.rules(own)),
        *signs.rules(own),
    )
