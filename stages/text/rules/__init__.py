"""The table of what is said for what is written, by responsibility; the first rule that matches at a place wins."""

from functools import cache

from stages.text.languages import CODES, language
from stages.text.languages.language import Language
from stages.text.rules import (
    abbreviations,
    addresses,
    chinese,
    codes,
    continental,
    dates,
    dates_english,
    formulas,
    markup,
    names,
    quantities,
    scripts,
    signs,
)
from stages.text.rules.rule import Rule, Table

_WITHOUT_SPACES = {"zh": chinese.rules}
"""Languages whose script has no spaces have rules of their own."""


@cache
def table(code: str, any_script: bool) -> Table:
    """The rules of a language by its tag ("de", "de-AT"), those that win first; without CODES, of markup only.

    `any_script`: whether the voice reads all scripts itself.
    """
    code = code.split("-")[0].casefold()
    if code not in CODES:
        return Table((*markup.rules({}), *signs.unknown()))
    own = language(code)
    if code in _WITHOUT_SPACES:
        return Table(tuple(_WITHOUT_SPACES[code](own, any_script)))
    return Table(_all(own, any_script))


def _all(own: Language, any_script: bool) -> tuple[Rule, ...]:
    return (
        *formulas.rules(own),
        *markup.rules({**own.words, "and": own.signs["&"]}),
        *addresses.rules(own),
        *dates.rules(own),
        *dates_english.rules(own),
        *continental.rules(own),
        *codes.rules(own),
        *names.rules(own),
        *abbreviations.rules(own),
        *signs.comparisons(own),
        *quantities.rules(own),
        *(() if any_script else scripts.rules(own)),
        *signs.rules(own),
    )
