"""The names of emoji, for an answer that is nothing else. Pure."""

import unicodedata

_KINDS = {
    "👍": "thumbs up", "👎": "thumbs down", "❤": "heart", "😀": "smile", "😊": "smile", "🙂": "smile", "☺": "smile",
    "😃": "smile", "😄": "smile", "😁": "grin", "😂": "laughing", "🤣": "laughing", "😉": "wink", "😢": "crying",
    "😭": "crying", "🙏": "thanks", "👋": "waving", "👏": "applause", "✅": "check", "✔": "check", "❌": "cross",
    "🎉": "party", "🔥": "fire", "⭐": "star", "👌": "OK", "🤔": "thinking", "😕": "confused",
}  # fmt: skip
_NAMES = {
    "en": {
        "thumbs up": "thumbs up", "thumbs down": "thumbs down", "heart": "a heart", "smile": "a smile",
        "grin": "a grin", "laughing": "laughing", "wink": "a wink", "crying": "crying", "thanks": "thank you",
        "waving": "waving", "applause": "applause", "check": "check", "cross": "a cross", "party": "party popper",
        "fire": "fire", "star": "a star", "OK": "OK", "thinking": "thinking", "confused": "confused",
        "flag": "a flag", "": "",
    },
    "es": {
        "thumbs up": "pulgar arriba", "thumbs down": "pulgar abajo", "heart": "un corazón", "smile": "una sonrisa",
        "grin": "una sonrisa", "laughing": "risas", "wink": "un guiño", "crying": "lágrimas", "thanks": "gracias",
        "waving": "un saludo", "applause": "aplausos", "check": "hecho", "cross": "una cruz", "party": "una fiesta",
        "fire": "fuego", "star": "una estrella", "OK": "OK", "thinking": "pensando", "confused": "una duda",
        "flag": "una bandera", "": "un emoji",
    },
    "fr": {
        "thumbs up": "pouce levé", "thumbs down": "pouce baissé", "heart": "un cœur", "smile": "un sourire",
        "grin": "un sourire", "laughing": "des rires", "wink": "un clin d'œil", "crying": "des larmes",
        "thanks": "merci", "waving": "un salut", "applause": "des applaudissements", "check": "c'est fait",
        "cross": "une croix", "party": "la fête", "fire": "du feu", "star": "une étoile", "OK": "OK",
        "thinking": "en réflexion", "confused": "un doute", "flag": "un drapeau", "": "un emoji",
    },
    "de": {
        "thumbs up": "Daumen hoch", "thumbs down": "Daumen runter", "heart": "ein Herz", "smile": "ein Lächeln",
        "grin": "ein Grinsen", "laughing": "Lachen", "wink": "ein Zwinkern", "crying": "Tränen", "thanks": "danke",
        "waving": "ein Winken", "applause": "Applaus", "check": "erledigt", "cross": "ein Kreuz", "party": "Konfetti",
        "fire": "Feuer", "star": "ein Stern", "OK": "OK", "thinking": "nachdenklich", "confused": "ratlos",
        "flag": "eine Flagge", "": "ein Emoji",
    },
    "it": {
        "thumbs up": "pollice in su", "thumbs down": "pollice in giù", "heart": "un cuore", "smile": "un sorriso",
        "grin": "un sorriso", "laughing": "risate", "wink": "un occhiolino", "crying": "lacrime", "thanks": "grazie",
        "waving": "un saluto", "applause": "applausi", "check": "fatto", "cross": "una croce", "party": "una festa",
        "fire": "fuoco", "star": "una stella", "OK": "OK", "thinking": "in pensiero", "confused": "un dubbio",
        "flag": "una bandiera", "": "un emoji",
    },
    "zh": {
        "thumbs up": "点赞", "thumbs down": "踩", "heart": "爱心", "smile": "微笑", "grin": "咧嘴笑",
        "laughing": "大笑",
        "wink": "眨眼", "crying": "流泪", "thanks": "谢谢", "waving": "挥手", "applause": "鼓掌", "check": "完成",
        "cross": "叉号", "party": "庆祝", "fire": "火", "star": "星星", "OK": "好的", "thinking": "思考",
        "confused": "疑惑", "flag": "旗子", "": "一个表情",
    },
}  # fmt: skip
"""What is said for the kinds, by language; "" for any other, which English calls by its name in Unicode."""
_MOST = 3
"""More names than these are a list that nobody wants to hear."""
_MODIFIERS = frozenset("♀♂⚕")
"""Signs that are a part of another emoji."""


def emoji_words(text: str, language: str = "en") -> str:
    """The names of the first emoji in `text`, in a language by its tag, each once; "" if there are none.

    A language without names has them in English.
    """
    said = _NAMES.get(language.split("-")[0].casefold(), _NAMES["en"])
    names = dict.fromkeys(name for char in text if (name := _name(char, said)))
    return ", ".join(list(names)[:_MOST])


def _name(char: str, said: dict[str, str]) -> str:
    if char in _KINDS:
        return said[_KINDS[char]]
    name = unicodedata.name(char, "").lower()
    if char < "←" or unicodedata.category(char) != "So" or not name or char in _MODIFIERS:
        return ""
    if name.startswith("regional indicator"):
        return said["flag"]
    return said[""] or name.removeprefix("white ").removeprefix("black ").replace("-", " ")
