"""The names of emoji, for an answer that is nothing else. Pure."""

import unicodedata

_NAMES = {
    "👍": "thumbs up", "👎": "thumbs down", "❤": "a heart", "😀": "a smile", "😊": "a smile", "🙂": "a smile",
    "😄": "a smile", "😁": "a grin", "😂": "laughing", "🤣": "laughing", "😉": "a wink", "😢": "crying", "😭": "crying",
    "🙏": "thank you", "👋": "waving", "👏": "applause", "✅": "check", "✔": "check", "❌": "a cross",
    "🎉": "party popper",
    "🔥": "fire", "⭐": "a star", "👌": "OK", "🤔": "thinking", "😕": "confused",
}  # fmt: skip
_MOST = 3
"""More names than these are a list that nobody wants to hear."""


def emoji_words(text: str) -> str:
    """The names of the first emoji in `text`, in English, each once; "" if there are none."""
    names = dict.fromkeys(name for char in text if (name := _name(char)))
    return ", ".join(list(names)[:_MOST])


def _name(char: str) -> str:
    if char in _NAMES:
        return _NAMES[char]
    name = unicodedata.name(char, "").lower()
    if char < "←" or unicodedata.category(char) != "So" or not name:
        return ""
    return "a flag" if name.startswith("regional indicator") else name.replace("-", " ")
