"""Words whose ends are hard to hear: of large numbers the ordinals, of units of time and money more than one. Pure.

Said alone "thousandth" sounds nearly like "thousand", and "minutes" like "minute", and the network has read the shorter
words so much more often that it writes them surely. So the longer one is weighed against it, and believed although it
is less probable by as much as stands here: less than where the shorter word was said. Chosen on two voices of Pico,
which say each of them: where they say the shorter word, the longer one is less probable by 5.2 or more (ordinals) and
3.1 or more (more than one of a unit).
"""

from collections.abc import Mapping

from stages.providers.whisper.text import bare

_ORDINAL, _SEVERAL = 5.0, 3.0
"""So much less probable, as log probability, may the longer word be."""

_LARGE = ("hundred", "thousand", "million", "billion")
_UNITS = ("second", "minute", "hour", "day", "week", "month", "year", "dollar", "cent", "euro", "pound")

_LONGER: Mapping[str, tuple[str, float]] = (
    {number: (f"{number}th", _ORDINAL) for number in _LARGE}
    | {f"{number}s": (f"{number}th", _ORDINAL) for number in _LARGE}
    | {unit: (f"{unit}s", _SEVERAL) for unit in _UNITS}
)


def longer_than(text: str) -> tuple[str, str, float] | None:
    """The word that a text is, the longer one that it may have been, and by how much that may be less probable; None of
    all other texts."""
    word = bare(text)
    if word not in _LONGER:
        return None
    longer, less = _LONGER[word]
    return word.capitalize(), longer.capitalize(), less
