"""How a language says numbers, money, units, dates and signs: one file of data a language, chosen by its code.

A file that adds a language holds one `Language` named `LANGUAGE`, and its code stands in `CODES`.
"""

from functools import cache
from importlib import import_module

from stages.text.languages.language import Language

CODES = ("en", "es", "fr", "de", "it", "zh")
"""The languages that texts can be read in."""

UNKNOWN = "und"
"""A language that is not known: its numbers and signs are left to the voice."""


@cache
def language(code: str) -> Language:
    """One of `CODES`."""
    found: Language = import_module(f"{__name__}.{code}").LANGUAGE
    return found
