"""Words whose ends are hard to hear: the ordinals of large numbers. Pure.

Said alone "thousandth" sounds nearly like "thousand", and the network has read the shorter words so much more often
that it writes them surely. So the longer one is weighed against it, and believed although it is less probable by as
much as stands here: less than where the shorter word was said. Chosen on two voices of Pico, which say each of them;
tried on another voice and a person. "Hundredth" and more than one of a unit ("minutes") were in it, and cost the other
voice "hundred" and "hour", which are said far more often.
"""

from collections.abc import Mapping

from stages.providers.whisper.text import bare

_LESS = 5.0
"""So much less probable, as log probability, may the longer word be."""

_LARGE = ("thousand", "million", "billion")

_LONGER: Mapping[str, str] = {word: f"{number}th" for number in _LARGE for word in (number, f"{number}s")}


def longer_than(text: str) -> tuple[str, str, float] | None:
    """The word that a text is, the longer one that it may have been, and by how much that may be less probable; None of
    all other texts."""
    word = bare(text)
    return (word.capitalize(), _LONGER[word].capitalize(), _LESS) if word in _LONGER else None
