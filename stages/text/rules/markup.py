"""Markup is for the eye: what is left of it is its text."""

import html
import re
from collections.abc import Iterator, Mapping

from stages.text.rules.rule import DIGIT, Rule, rule

_TAGS = (
    "a|abbr|b|big|blockquote|br|center|code|dd|del|div|dl|dt|em|font|h[1-6]|hr|i|img|ins|kbd|li|mark|ol|p|pre|q|s|"
    "small|span|strong|sub|sup|table|tbody|td|th|thead|tr|tt|u|ul|speak|break|prosody|emphasis|say-as|voice|phoneme|"
    "script|style|html|body"
)
_TARGET = r"[^()\n]{0,600}(?:\([^()\n]{0,100}\)[^()\n]{0,100})?"
"""What a link leads to, brackets within it included."""
_LINE = r"(?:(?<=\n)[ \t]*|\A)"
"""A line begins. A text that begins with a blank goes on with a line."""
_LINKED = r"(?:https?://|ftp://|www\.)[^\s<>]+>|[\w.+-]+@[\w.-]+>"


def _entity(match: re.Match[str]) -> str:
    char = html.unescape(match[0])
    if char in "'’":
        return char
    return char if char.isalnum() else " "


def rules(words: Mapping[str, str]) -> Iterator[Rule]:
    """Markdown, HTML and SSML; `words` say what signs of comparison mean."""
    yield rule(r"```[\w+-]*", " ", "`")
    yield rule(rf"!?\[(?=[^\[\]\n]{{1,300}}\]\({_TARGET}\))", "", "[")
    yield rule(rf"\]\({_TARGET}\)", "", "]")
    yield rule(r"\[\^?\d{1,3}\](?!\()", "", "[" + DIGIT)
    yield rule(rf"<(?:mailto:(?=[^\s<>@]+@[^\s<>]+>)|(?={_LINKED}))", "", "<")
    yield rule(rf"(?i:</?(?:{_TAGS})(?:\s[^<>\n]{{0,300}})?/?>|<!--[^<>\n]{{0,300}}-->)", " ", "<")
    yield rule(r" &lt; | ?&lt;(?=\d)", f" {words.get('is less', '')} ", "&")
    yield rule(r" &gt; | ?&gt;(?=\d)", f" {words.get('is more', '')} ", "&")
    yield rule(r"&amp;", f" {words.get('and', '&')} ", "&")
    yield rule(r"&(?:[A-Za-z]+|#\d{1,6}|#x[0-9A-Fa-f]{1,5});", _entity, "&")
    yield rule(r"^[ \t]*(?:[-*_][ \t]*){3,}$", "", "-*_")
    yield rule(r"^[ \t]*\|[ \t:|-]+$", "", "|")
    yield rule(rf"{_LINE}(?:[-*+•][ \t]+)?\[[ xX✓✔]\](?:[ \t]+|$)", "", "[")
    yield rule(r"(?<=\d[.)] )\[[ xX✓✔]\][ \t]+", "", "[" + DIGIT)
    yield rule(rf"{_LINE}(?:#{{1,6}}|>+(?![ \t]*[$£€]?\d)|[-*+•])[ \t]+", "", "#>-*+•")
    yield rule(
        r"(?<!\w)(?:\*{1,3}|_{1,3}|~~|`)(?=[\w$£€])|(?<=[\w.,;:!?)%])(?:\*{1,3}|_{1,3}|~~|`)(?!\w)",
        "",
        "*_~`",
    )
