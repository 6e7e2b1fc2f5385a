"""Mandarin in the letters that Kokoro has learnt: pypinyin's reading of the characters, syllable by syllable.

pypinyin chooses among the readings of a character by the phrases that it knows (MIT, 4 MB, no dependencies). Tones that
change beside others are changed here, because its phrases are too short to see both. Kokoro writes a tone as an arrow
behind the vowel, and has a space between words: without any, it is misread three times as often.
"""

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from pypinyin import Style, lazy_pinyin
from pypinyin.seg import mmseg

Syllable: TypeAlias = tuple[str, str, int]
"""Initial and final in pinyin, "ü" as "v", and the tone from 1 to 5; 5 is none."""

_INITIALS = {
    "b": "p", "p": "pʰ", "m": "m", "f": "f", "d": "t", "t": "tʰ", "n": "n", "l": "l", "g": "k", "k": "kʰ", "h": "x",
    "j": "ʨ", "q": "ʨʰ", "x": "ɕ", "z": "ʦ", "c": "ʦʰ", "s": "s", "zh": "ꭧ", "ch": "ꭧʰ", "sh": "ʂ", "r": "ɻ", "": "",
}  # fmt: skip
_FINALS = {
    "a": "a-", "ai": "ai-", "an": "a-n", "ang": "a-ŋ", "ao": "au-", "e": "ɤ-", "ei": "ei-", "en": "ə-n", "eng": "ə-ŋ",
    "er": "ɚ-", "i": "i-", "ia": "ja-", "ian": "jɛ-n", "iang": "ja-ŋ", "iao": "jau-", "ie": "je-", "in": "i-n",
    "ing": "i-ŋ", "io": "jɔ-", "iong": "jʊ-ŋ", "iou": "jou-", "o": "wo-", "ong": "ʊ-ŋ", "ou": "ou-", "u": "u-",
    "ua": "wa-", "uai": "wai-", "uan": "wa-n", "uang": "wa-ŋ", "uei": "wei-", "uen": "wə-n", "ueng": "wə-ŋ",
    "uo": "wo-", "v": "y-", "van": "ɥɛ-n", "ve": "ɥe-", "vn": "y-n", "ê": "ɛ-",
}  # fmt: skip
"""With the place of the tone."""
_BUZZED = frozenset(("z", "c", "s", "zh", "ch", "sh", "r"))
"""Behind these the final "i" is no vowel."""
_TONES = {1: "→", 2: "↗", 3: "↓", 4: "↘", 5: ""}
_HUMS = {"嗯": "ə↘n", "哦": "ɔ→", "喔": "ɔ→", "唔": "u→", "呣": "m", "噷": "xə→n"}
"""Sounds that are no syllables of pinyin."""

_RUNS = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3007]+|[A-Za-z][A-Za-z'’-]*|.")
_WORD = re.compile(
    r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3007]+|[^\s\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)
_MARKS = str.maketrans(
    {"，": ",", "、": ",", "。": ".", "！": "!", "？": "?", "：": ":", "；": ";", "（": "(", "）": ")", "《": "“",
     "》": "”", "「": "“", "」": "”"}
)  # fmt: skip
_COUNTED = "零一二三四五六七八九十百千万亿第期周拜点初月"
"""Beside these "一" is a number, and keeps its tone."""


def in_words(text: str) -> list[str]:
    """The words of a text, marks with the word in front of them: characters by the phrases that pypinyin knows."""
    words = list[str]()
    for run in _WORD.findall(text):
        for word in mmseg.seg.cut(run) if "\u3007" <= run[0] <= "\ufaff" else [run]:
            if words and not any(map(str.isalnum, word)):
                words[-1] += word
            else:
                words.append(word)
    return words


def phonemes(text: str, latin: Callable[[str], str]) -> str:
    """Of a text, a space between words; `latin` has those of what is written in Latin letters."""
    words = in_words(text)
    line, at, said = "".join(words), 0, list[str]()
    for word in words:
        parts = list[str]()
        for run in _RUNS.findall(word):
            if "\u3007" <= run[0] <= "\ufaff":
                parts += map(_written, run, _changed(_syllables(run), line, at))
            else:
                parts.append(latin(run) if run[0].isalpha() else run.translate(_MARKS))
            at += len(run)
        said.append("".join(parts))
    return " ".join(said)


def _syllables(characters: str) -> list[Syllable]:
    """One a character, as it is read there."""
    initials = lazy_pinyin(characters, style=Style.INITIALS, strict=True)
    finals = lazy_pinyin(characters, style=Style.FINALS_TONE3, strict=True, neutral_tone_with_five=True)
    found = [
        (initial, final[:-1].replace("ü", "v"), int(final[-1])) if final[-1:].isdigit() else ("", "", 5)
        for initial, final in zip(initials, finals, strict=False)
    ]
    return found if len(found) == len(characters) else [("", "", 5)] * len(characters)


def _changed(syllables: Sequence[Syllable], line: str, at: int) -> list[Syllable]:
    """With the tones that they have beside each other: of two third tones in a word or behind a word of one character,
    of "不" and of "一"."""
    changed = list(syllables)
    for place, (initial, final, tone) in enumerate(syllables):
        character, front = line[at + place], line[at + place - 1 : at + place] if at + place else ""
        following = _following(line, at + place, syllables[place + 1 :])
        if character == "不" and following == 4:
            tone = 2
        elif character == "一" and tone == 1 and following and not (front and front in _COUNTED):
            tone = tone if line[at + place + 1] in _COUNTED[:10] else 2 if following == 4 else 4
        elif tone == 3 and following == 3 and (place + 1 < len(syllables) or len(syllables) == 1):
            tone = 2
        changed[place] = (initial, final, tone)
    return changed


def _following(line: str, at: int, rest: Sequence[Syllable]) -> int | None:
    """The tone of the next character, if one follows at once."""
    if rest:
        return rest[0][2]
    beyond = line[at + 1 : at + 2]
    return _syllables(beyond)[0][2] if beyond and "\u3400" <= beyond <= "\ufaff" else None


def _written(character: str, syllable: Syllable) -> str:
    """In Kokoro's letters."""
    initial, final, tone = syllable
    if character in _HUMS:
        return _HUMS[character]
    written = "ɨ-" if final == "i" and initial in _BUZZED else _FINALS.get(final, "")
    return _INITIALS.get(initial, "") + written.replace("-", _TONES[tone])
