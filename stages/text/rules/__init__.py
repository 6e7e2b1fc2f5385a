"""The table of what is said for what is written, by responsibility; the first rule that matches at a place wins."""

from functools import cache

from stages.text.languages import language
from stages.text.rules import abbreviations, addresses, dates, markup, names, quantities, scripts, signs
from stages.text.rules.rule import Rule


@cache
def table(code: str, any_script: bool) -> tuple[Rule, ...]:
    """The rules of a language, those that win first. `any_script`: whether the voice reads all scripts itself."""
    own = language(code)
    return (
        *markup.rules(),
        *addresses.rules(own),
        *dates.rules(own),
        *names.rules(own),
        *abbreviations.rules(own),
        *signs.comparisons(own),
        *quantities.rules(own),
        *(() if any_script else scripts.rules(own)),
        *signs.rules(own),
    )
