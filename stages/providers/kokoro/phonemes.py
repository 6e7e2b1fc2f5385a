"""Kokoro's phonemes of a text: hibari's pronunciation of English, the rules of piper-plus-g2p for Spanish, and
pypinyin's reading of Mandarin.

Kokoro knows the alphabet of misaki, which writes affricates and diphthongs as one letter, with the stress right before
the vowel. hibari writes it too.
"""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

from stages.errors import ModelFileError
from stages.runtime.made_files import made_dir
from stages.text.words import is_unspaced

Phonemize = Callable[[str], str]
"""Of one sentence."""

_SPANISH = {"t\u0283": "\u02a7", "d\u0292": "\u02a4", "ts": "\u02a6", "rr": "r"}
"""What piper-plus-g2p writes otherwise than Kokoro has learnt it."""


def phonemizer(voice: str) -> Phonemize:
    """Of the voice of this name. Loads what it needs when it is first asked for. Raises ModelFileError."""
    extra = "mandarin" if voice.startswith("z") else "kokoro"
    try:
        if voice.startswith("z"):
            return _mandarin()
        return _spanish() if voice.startswith("e") else _english(british=voice.startswith("b"))
    except ImportError as error:
        raise ModelFileError(
            f"kokoro: {error}; the voice needs `pip install 'stageflow-voice[{extra}]'`"
        ) from error


def apart(text: str, voice: str) -> str:
    """The text with a space between words, where the script of the voice's language has none. Raises ModelFileError."""
    if not voice.startswith("z") or not is_unspaced(text):
        return text
    phonemizer(voice)
    from stages.providers.kokoro.mandarin import in_words

    return " ".join(in_words(text))


@cache
def _english(british: bool) -> Phonemize:
    from stages.providers.hibari.dictionary import pronunciation
    from stages.providers.hibari.engine import Words

    return Words(pronunciation(made_dir(), british=british))


@cache
def _spanish() -> Phonemize:
    logging.getLogger("piper_plus_g2p.registry").setLevel(logging.CRITICAL)  # what other languages lack
    from piper_plus_g2p.spanish import SpanishPhonemizer

    rules: Any = SpanishPhonemizer()

    def phonemes(text: str) -> str:
        found = "".join(rules.phonemize(text))
        for written, learnt in _SPANISH.items():
            found = found.replace(written, learnt)
        return found

    return phonemes


@cache
def _mandarin() -> Phonemize:
    from stages.providers.kokoro.mandarin import phonemes

    def with_latin(text: str) -> str:
        return phonemes(text, _english(british=False))

    return with_latin


def in_pieces(phonemes: str, most: int) -> list[str]:
    """Phonemes of at most `most` characters each, cut between words where there are any."""
    pieces = []
    while len(phonemes) > most:
        cut = phonemes.rfind(" ", 1, most + 1)
        cut = cut if cut > 0 else most
        pieces.append(phonemes[:cut].strip())
        phonemes = phonemes[cut:].strip()
    return [*pieces, phonemes] if phonemes else pieces
