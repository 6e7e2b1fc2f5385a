"""Words in a script that the voice does not read: told what they are, not misread and not passed over."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, partial

from stages.text.languages.language import Language
from stages.text.rules.rule import Rule, rule

_FOREIGN = r"[^\W\d_A-Za-zªºÀ-ʸᴀ-ᶿḀ-ỿ⁰-↏²³¹µ¼-¾①-⓿Ａ-Ｚａ-ｚ]"
_WORDS = re.compile(_FOREIGN)


_WRITTEN_IN = {"zh": "\u3005-\u3007\u3400-\u9fff\uf900-\ufaff"}
"""Characters beside Latin letters that a language is written in, for a class of `re`."""


def is_foreign(text: str, language: str = "") -> bool:
    """Whether there are words in `text`, all of them in other scripts than Latin and the language's, and no digit."""
    if (own := _WRITTEN_IN.get(language)) and re.search(f"[{own}]", text):
        return False
    return not text.isascii() and bool(_WORDS.search(text)) and not re.search(r"\d|[A-Za-zÀ-ÿ]", text)


def rules(language: Language) -> Iterator[Rule]:
    """One for every stretch of words in another script; a single Greek letter is a sign."""
    own = _WRITTEN_IN.get(language.code)
    told = partial(_told, language)
    foreign = rf"(?:(?![{own}]){_FOREIGN})" if own else _FOREIGN
    signs = "".join(map(re.escape, language.signs))
    yield rule(rf"(?:(?![{signs}](?!\w))){foreign}+(?:[^\w\n]{{1,3}}{foreign}+)*", told)


def _told(language: Language, match: re.Match[str]) -> str:
    scripts = language.scripts
    name = _script(match[0][0])
    return f" {scripts.get(name, scripts.get('', ''))} "


@cache
def _script(char: str) -> str:
    return unicodedata.name(char, "").split(" ")[0].split("-")[0]
