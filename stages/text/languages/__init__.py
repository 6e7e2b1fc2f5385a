"""How a language says numbers, money, units, dates and signs: one file of data a language, chosen by its code.

A file that adds a language holds one `Language` named `LANGUAGE`, and its code stands in `CODES`.
"""

from functools import cache
from importlib import import_module

from stages.text.languages.language import Language

CODES = ("en", "es", "fr", "de", "it")
"""The languages that texts can be read in."""


@cache
def language(code: str) -> Language:
    """The language of a tag such as "de" or "de-AT"; English for one that is not in `CODES`."""
    base = code.split("-")[0].casefold()
    found: Language = import_module(f"{__name__}.{base if base in CODES else 'en'}").LANGUAGE
    return found
