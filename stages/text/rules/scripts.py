"""Words in a script that the voice does not read: told what they are, not misread and not passed over."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, partial

from stages.text.languages.language import Language
from stages.text.rules.rule import Rule, rule

_FOREIGN = r"[^\W\d_A-Za-zªºÀ-ʸᴀ-ᶿḀ-ỿ⁰-↏²³¹µ¼-¾①-⓿Ａ-Ｚａ-ｚ]"
_WORDS = re.compile(_FOREIGN)


def is_foreign(text: str) -> bool:
    """Whether there are words in `text`, all of them in other scripts than Latin, and no digit."""
    return not text.isascii() and bool(_WORDS.search(text)) and not re.search(r"\d|[A-Za-zÀ-ÿ]", text)


def rules(language: Language) -> Iterator[Rule]:
    """One for every stretch of words in another script; a single Greek letter is a sign."""
    told = partial(_told, language)
    yield rule(rf"(?:(?![{''.join(language.signs)}](?!\w))){_FOREIGN}+(?:[^\w\n]{{1,3}}{_FOREIGN}+)*", told)


def _told(language: Language, match: re.Match[str]) -> str:
    scripts = language.scripts
    name = _script(match[0][0])
    return f" {scripts.get(name, scripts.get('', ''))} "


@cache
def _script(char: str) -> str:
    return unicodedata.name(char, "").split(" ")[0].split("-")[0]
