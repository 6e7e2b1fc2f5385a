"""What Whisper's tokens mean: text, time stamps, and the loops that a short window makes it fall into.

Theory of operation. Whisper was trained on windows of 30 s. Given one that ends soon after the speech it
still writes the right words, but sometimes does not notice the end and says them again and again. Mostly it
then runs to the limit of tokens; then only the first pass is kept, up to the time stamp of the end or to where
it began again. Out of a hypothesis that ended nothing is ever taken ("no, no, no" is what the person said),
but when its time stamps lie after the audio, or it says everything twice, it is doubtful: it may have gone round
once too often. Of 288 spoken times of day four were read twice; read again with more silence, all four once.
The same holds for one or two words that are said three times or more ("4, 4, 4," for one four): read again, all
of five such recordings were read once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from stages.text.words import UNSPACED, count_words, is_unspaced, join_words, split_words

NO_SPEECH = 0.6
"""From this probability on nothing was said: speech has 0.4 at most, silence and noise 0.88 at least."""

UNCLEAR_BELOW = -1.2
"""Mean log probability of a token below which a word was hardly said, by `scripts/bench-hums`."""

DOUBTFUL = -1.0
"""Mean log probability of a token below which a hypothesis is tried again, as in Whisper's own decoder."""

_END_MARGIN_S = 0.5
"""A segment that ends so near to the end of the audio is the last; stamps are often rounded to seconds."""

_LOST_S = 3.0
"""A stamp so long after the end of the audio is none: seen with words that were not said."""

_LOOP_WORDS = 3
"""Fewer words may well be said twice."""

_TIMES = 3
"""So often one or two words in turn are seldom said."""

_CHARACTERS_IN_TURN = 4
"""As many as one or two words have, where a script has no spaces."""

_WIDE = dict(zip(",?!:;", "，？！：；", strict=True))


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from one stretch of audio, and how sure that is."""

    text: str
    no_speech: float = 0.0
    log_probability: float = 0.0
    tokens: int = 0
    ran_away: bool = False
    """It was cut off in a loop that did not begin with its first word, its stamps lie after the audio, or it
    says everything twice; so much of it may be wrong, or said once."""

    end_s: float | None = None
    """Where its last stamp lies, if it has one after its text."""
    written: tuple[int, ...] = ()
    """The tokens themselves, where the next reading of the same speech can make use of them."""

    @property
    def is_doubtful(self) -> bool:
        """Whether another try, with more silence after the speech, is worth its time."""
        return self.ran_away or self.log_probability < DOUBTFUL

    def better_of(self, other: "Reading") -> "Reading":
        """The one to believe."""
        return max(self, other, key=lambda reading: (not reading.ran_away, reading.log_probability))


TOKENS_PER_S = 5.0
"""Of speech in Latin letters; the fastest of 164 recordings had 5.9 a second less 3."""


def token_limit(duration_s: float, per_s: float = TOKENS_PER_S) -> int:
    """How many tokens to allow for so much speech."""
    return int(duration_s * per_s) + 8


def read(
    tokens: Sequence[str],
    duration_s: float,
    *,
    no_speech: float,
    log_probability: float,
    per_s: float = TOKENS_PER_S,
) -> Reading:
    """The text of a hypothesis about `duration_s` of audio, which was allowed `token_limit` tokens."""
    count = len(tokens)
    if no_speech > NO_SPEECH:
        return Reading("", no_speech, log_probability, count)
    if count < token_limit(duration_s, per_s):
        text = clean_text(tokens)
        doubtful = _is_lost(tokens, duration_s) or without_loop(text) is not None or says_one_thing(text)
        return Reading(text, no_speech, log_probability, count, ran_away=doubtful, end_s=_last_end_s(tokens))
    ended = _until_end(tokens, duration_s)
    text = clean_text(tokens if ended is None else ended)
    first_pass = without_loop(text) or (text if ended is not None else None)
    if first_pass is not None:
        doubtful = says_one_thing(first_pass)
        return Reading(first_pass, no_speech, log_probability, count, ran_away=doubtful)
    return Reading(clean_text(_squeezed(tokens)), no_speech, log_probability, count, ran_away=True)


def text_of(tokens: Sequence[str]) -> str:
    """The text of tokens in GPT-2's alphabet, in which each letter is a byte; special tokens have none."""
    letters = "".join(token for token in tokens if not _is_special(token))
    return bytes(map(_byte_of_letter().__getitem__, letters)).decode("utf-8", "replace").strip()


def token_of(text: str) -> str:
    """The token of a text that is one, in the same alphabet."""
    letters = {byte: letter for letter, byte in _byte_of_letter().items()}
    return "".join(letters[byte] for byte in text.encode())


def clean_text(tokens: Sequence[str]) -> str:
    """The text of tokens, with the marks and without the spaces that a script without spaces has between its
    characters."""
    text = text_of(tokens)
    if not is_unspaced(text):
        return text
    text = re.sub(rf"(?<=[{UNSPACED}])[,?!:;]", lambda mark: _WIDE[mark[0]], text)
    return re.sub(rf"(?<=[{UNSPACED}。，？！：；])\s+(?=[{UNSPACED}])", "", text)


def without_loop(text: str) -> str | None:
    """The words before `text` begins again from its own beginning; None if it does not, or not for good."""
    words = split_words(text)
    keys = [bare(word) for word in words]
    for period in range(_LOOP_WORDS, len(words)):
        if count_words(" ".join(keys[:period])) < _LOOP_WORDS:
            continue
        repeats = zip(keys[period:-1], keys[:-period], strict=False)
        # The last word may be cut in its middle by the limit.
        if keys[-period - 1].startswith(keys[-1]) and all(again == first for again, first in repeats):
            return None if _begins_within(keys[:period]) else join_words(words[:period])
    return None


def says_one_thing(text: str) -> bool:
    """Whether it is one word, or two in turn, said three times or more. It may be: people say "no, no, no"."""
    keys = [bare(word) for word in split_words(text)]
    return any(
        len(keys) >= _TIMES * period and all(key == keys[at % period] for at, key in enumerate(keys))
        for period in range(1, 1 + _CHARACTERS_IN_TURN if is_unspaced(text) else 3)
    )


def _begins_within(keys: Sequence[str]) -> bool:
    """Whether the first words come again later: a loop that went astray ("one two three four one two three")."""
    first = keys[:_LOOP_WORDS]
    return any(keys[at : at + _LOOP_WORDS] == first for at in range(_LOOP_WORDS, len(keys)))


def bare(word: str) -> str:
    """A word as it is compared: without case and punctuation."""
    return re.sub(r"[^\w']", "", word).casefold()


def _is_lost(tokens: Sequence[str], duration_s: float) -> bool:
    """Whether a segment begins when the audio is over, or ends long after it."""
    stamps = [_seconds(token) for token in tokens if _is_special(token)]
    over_s = max(duration_s, 1.0)  # stamps are often rounded to seconds
    return max(stamps[0::2], default=0.0) >= over_s or max(stamps, default=0.0) > over_s + _LOST_S


def _until_end(tokens: Sequence[str], duration_s: float) -> Sequence[str] | None:
    """The tokens before the stamp that ends the last segment of the audio; stamps come in pairs."""
    stamps = [(place, _seconds(token)) for place, token in enumerate(tokens) if _is_special(token)]
    for place, end_s in stamps[1::2]:
        if end_s >= duration_s - _END_MARGIN_S:
            return tokens[:place]
    return None


def _last_end_s(tokens: Sequence[str]) -> float | None:
    """The stamp that ends the last segment; stamps come in pairs."""
    stamps = [_seconds(token) for token in tokens if _is_special(token) and _seconds(token) >= 0]
    return stamps[-1] if stamps and len(stamps) % 2 == 0 else None


def _squeezed(tokens: Sequence[str]) -> Sequence[str]:
    """Without the repetitions at the end, if there are three or more of the same."""
    for period in range(1, len(tokens) // 3 + 1):
        first = last = len(tokens) - period
        while first >= period and tokens[first - period : first] == tokens[last:]:
            first -= period
        if last - first >= 2 * period:
            return tokens[: first + period]
    return tokens


def _is_special(token: str) -> bool:
    return token.startswith("<|") and token.endswith("|>")


def _seconds(token: str) -> float:
    """The time of a stamp such as `<|2.80|>`; other special tokens are not stamps and lie before all time."""
    number = re.fullmatch(r"<\|(\d+\.\d\d)\|>", token)
    return float(number[1]) if number else -1.0


@cache
def _byte_of_letter() -> dict[str, int]:
    """GPT-2's alphabet: printable bytes of Latin-1 stand for themselves, the others for 256 and on."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = sorted(set(range(256)) - set(plain))
    return {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(others)}


@cache
def letter_of_byte() -> dict[int, str]:
    """The same the other way round."""
    return {byte: letter for letter, byte in _byte_of_letter().items()}
