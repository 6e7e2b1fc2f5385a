"""Addresses of pages, mail, machines and files, as people read them to each other."""

import re
from collections.abc import Iterator

from stages.text.languages.language import Language
from stages.text.rules.rule import DIGIT, Rule, rule

_HOST = r"[^\W_](?:[\w-]*\.)+[A-Za-z]{2,}"
_KNOWN = (
    "com|org|net|edu|gov|mil|info|biz|io|dev|ai|app|co|tv|uk|au|nz|de|ch|fr|nl|pt|dk|jp|br|mx|eu|xyz|shop|cloud|tech|"
    "online|site"
)
"""Ends of hosts that are no words: "Done.it" has lost a space."""

_KNOWN_HOST = rf"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.(?:{_KNOWN})\b(?!\.?\w)"
_FILES = (
    "js|ts|jsx|tsx|py|rb|rs|go|java|cpp|sh|css|html|json|toml|yaml|yml|xml|csv|txt|md|pdf|docx?|xlsx?|pptx?|png|jpe?g|"
    "gif|svg|mp3|mp4|wav|zip|gz|exe|ini|log"
)


class _Addresses:
    def __init__(self, language: Language) -> None:
        self._language = language
        words = language.words
        self._marks = {
            "@": words["at"], ".": words["dot"], "-": words["dash"], "_": words["underscore"], "+": words["plus"],
            "/": words["slash"], "~": "tilde",
        }  # fmt: skip

    def said(self, match: re.Match[str]) -> str:
        """A host or a mail address; a path after it is for the eye, not for the ear."""
        return self.spelt(match[1])

    def machine(self, match: re.Match[str]) -> str:
        """ "192.168.1.1", digit by digit."""
        return self.spelt(match[0], by_digit=True)

    def path(self, match: re.Match[str]) -> str:
        """ "/etc/hosts", with its slashes."""
        return self.spelt(match[0])

    def spelt(self, address: str, by_digit: bool = False) -> str:
        """Every mark by its name."""
        return " ".join(
            self._marks.get(part) or (self._number(part, by_digit) if part.isdigit() else part)
            for part in re.findall(r"\d+|[^\W\d_]+|[@._+/~-]", address)
        )

    def _number(self, digits: str, by_digit: bool) -> str:
        if by_digit or len(digits) > 2 or digits[0] == "0":
            return " ".join(self._language.cardinal(int(digit)) for digit in digits)
        return self._language.cardinal(int(digits))


def rules(language: Language) -> Iterator[Rule]:
    """With the words of `language` for their marks."""
    say = _Addresses(language)
    tail = r"(?:[/?#][^\s<>()]*[\w/=])?"
    yield rule(rf"(?:https?://|ftp://)(?:www\.)?({_HOST}|[\w.-]*\w)(?::\d+)?{tail}/?", say.said, ":")
    yield rule(rf"(?:mailto:)?(?<![\w.])(\w[\w.+-]*@{_HOST})", say.said, "@")
    yield rule(rf"(?<![\w.@])www\.({_HOST}){tail}", say.said, ".")
    yield rule(rf"(?<![\w.@/-])({_KNOWN_HOST}){tail}", say.said, ".")
    no_file = rf"(?!(?:{_FILES})/)"
    yield rule(rf"(?<![\w.@/-])([a-z][a-z-]*\.{no_file}[a-z]{{2,3}})/\w[^\s<>()]*[\w/=]", say.said, ".")
    yield rule(r"(?<=localhost):(?=\d{2,5}(?!\d))", " ", ":" + DIGIT)
    yield rule(r"(?<=[A-Za-z])\.(?=NET(?!\w))", f" {language.words['dot']} ", ".")
    yield rule(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)", say.machine, DIGIT)
    yield rule(r"(?<![\w/.~])~?(?:/[A-Za-z_][\w.-]*\w){2,}/?", say.path, "/")
    yield rule(rf"(?<=\w)\.(?=(?:{_FILES})\b)", f" {language.words['dot']} ", ".")
    yield rule(r"(?<![\w.])\.(?=(?:[A-Z]{2,5}|env|gitignore)\b)", f"{language.words['dot']} ", ".")
