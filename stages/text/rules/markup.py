"""Markup is for the eye: what is left of it is its text."""

import html
import re
from collections.abc import Iterator

from stages.text.rules.rule import Rule, rule

_TAGS = (
    "a|abbr|b|big|blockquote|br|center|code|dd|del|div|dl|dt|em|font|h[1-6]|hr|i|img|ins|kbd|li|mark|ol|p|pre|q|s|"
    "small|span|strong|sub|sup|table|tbody|td|th|thead|tr|tt|u|ul|speak|break|prosody|emphasis|say-as|voice|phoneme|"
    "script|style|html|body"
)
_LINE = r"(?:(?<=\n)[ \t]*|\A)"
"""A line begins. A text that begins with a blank goes on with a line."""
_LINKED = r"(?:https?://|ftp://|www\.)[^\s<>]+>|[\w.+-]+@[\w.-]+>"


def _entity(match: re.Match[str]) -> str:
    char = html.unescape(match[0])
    return {"&": " and "}.get(char, char if char.isalnum() else " ")


def rules() -> Iterator[Rule]:
    """Markdown, HTML and SSML."""
    yield rule(r"```[\w+-]*", " ", "`")
    yield rule(r"!?\[(?=[^\[\]\n]{1,300}\]\([^()\n]{0,600}\))", "", "[")
    yield rule(r"\]\([^()\n]{0,600}\)", "", "]")
    yield rule(r"\[\^?\d{1,3}\](?!\()", "", "[")
    yield rule(rf"<(?:mailto:(?=[^\s<>@]+@[^\s<>]+>)|(?={_LINKED}))", "", "<")
    yield rule(rf"(?i:</?(?:{_TAGS})(?:\s[^<>\n]{{0,300}})?/?>|<!--[^<>\n]{{0,300}}-->)", " ", "<")
    yield rule(r"&(?:[A-Za-z]+|#\d{1,6}|#x[0-9A-Fa-f]{1,5});", _entity, "&")
    yield rule(r"^[ \t]*(?:[-*_][ \t]*){3,}$", "", "-*_")
    yield rule(r"^[ \t]*\|[ \t:|-]+$", "", "|")
    yield rule(rf"{_LINE}(?:[-*+•][ \t]+)?\[[ xX✓✔]\](?:[ \t]+|$)", "", "[")
    yield rule(r"(?<=\d[.)] )\[[ xX✓✔]\][ \t]+", "", "[")
    yield rule(rf"{_LINE}(?:#{{1,6}}|>+(?![ \t]*[$£€]?\d)|[-*+•])[ \t]+", "", "#>-*+•")
    yield rule(
        r"(?<!\w)(?:\*{1,3}|_{1,3}|~~|`)(?=[\w$£€])|(?<=[\w.,;:!?)%])(?:\*{1,3}|_{1,3}|~~|`)(?!\w)",
        "",
        "*_~`",
    )
