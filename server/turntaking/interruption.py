"""What a sound made during an answer is: nothing yet, worth holding the voice for, an interruption, or a false alarm.

Pure: `judge` is asked again whenever there is more evidence. Words decide where there are any: "stop" takes
the floor at once, "mhm" never does, and the agent's own words coming back through the microphone are an echo.
A hum that is read as a word is told by its sound: it is short, and the recogniser is not sure of the word.
Before there are words, only how long the voice has lasted counts.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from functools import cache

from server.turntaking.listener_words import BACKCHANNELS, TAKE_THE_FLOOR, is_hum
from stages.text.words import UNSPACED, count_words, is_unspaced

ECHO_SHARE = 0.66
"""Of the words heard, how many must be the agent's own, in order, to be its echo."""

ECHO_WORDS = 3
"""Fewer words than these may be the person's by chance."""

CAPTION_WORDS = 6
"""The same while a sound as loud as the echo goes on: the words at its end are those that are misheard most."""

MOST_WORDS_A_S = 6
"""Nobody says more, but for one or two short ones; an echo in a room was read as "I'm going to try to try" in 0.3 s."""

ECHO_LETTERS = 0.75
"""Of the letters heard, how many must be the agent's own, in order, where the words were misheard."""

FEW_WORDS_LETTERS = 0.8
"""The same for one or two words, within those that were audible at that moment."""

ECHO_LOUD_LETTERS = 0.6
"""The same for three words or more that are as loud as the echo: of what people say 1.3 % has as many by chance where
it is three words, 0.2 % where it is five. Half of the letters would be 4 % and 2 %."""

HUM_MS = 800
"""No hum lasts longer."""

HUM_WORDS = 2
"""A hum is read as no more words than these."""

_WORD = re.compile(rf"[{UNSPACED}]|(?:(?![{UNSPACED}])\w)+(?:['\u2019-](?:(?![{UNSPACED}])\w)+)*")


class OverlapVerdict(StrEnum):
    """What is to be done about the sound."""

    WAIT = "wait"
    HOLD = "hold"
    """Hold the voice until more is known."""
    TRANSCRIBE = "transcribe"
    """The same, and have what there is of it transcribed now."""
    INTERRUPT = "interrupt"
    DISMISS = "dismiss"


class Loudness(StrEnum):
    """The level that a sound has: the person's, or the echo's."""

    UNKNOWN = "unknown"
    ECHO = "echo"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class InterruptionPolicy:
    """When a sound made during an answer interrupts it."""

    min_sound_ms: int = 96
    """Voice of less holds no word: it is dismissed without a transcript, and has only lowered the answer's voice."""
    hold_after_ms: int = 300
    min_duration_ms: int = 800
    """Voice that lasts so long is transcribed at once; if that takes as long again, it interrupts without its words."""
    min_words: int = 1
    """Words that interrupt; with more than one, voice alone never does."""
    protect_ms: int = 0
    """The first part of each answer, in which speech is kept and answered afterwards instead."""
    backchannels: tuple[str, ...] = BACKCHANNELS
    commands: tuple[str, ...] = TAKE_THE_FLOOR


@dataclass(frozen=True, slots=True)
class OverlapEvidence:
    """What is known of the sound by now."""

    lasted_ms: int
    """From its first voiced sample to now, or to where it paused."""
    text: str = ""
    """What has been recognised of it."""
    transcribed_ms: int = 0
    """How much of the sound `text` is the transcript of; 0 while there is none but what the captions say."""
    is_over: bool = False
    """The sound has paused, and `text` is all that was said in it."""
    audible: str = ""
    """What of the answer could be heard while it lasted, where that is known."""
    loudness: Loudness = Loudness.UNKNOWN
    log_probability: float = 0.0
    """Mean log probability of a token of `text`, where the recogniser tells it: that of what is over."""
    unclear_below: float | None = None
    """A lower one means that the word was hardly said, with this recogniser; None where it is not known."""


def judge(evidence: OverlapEvidence, policy: InterruptionPolicy, answer: str = "") -> OverlapVerdict:
    """What the sound is. `answer` is the text that the agent is speaking."""
    words = words_of(evidence.text)
    if not words:
        return OverlapVerdict.DISMISS if evidence.is_over else _judge_voice(evidence, policy)
    audible = words_of(evidence.audible)
    own = is_echo(words, audible, evidence.loudness) if audible else is_echo(words, words_of(answer))
    if own:
        return OverlapVerdict.DISMISS if evidence.is_over else _wait_or_hold(evidence, policy)
    line = " ".join(words)
    is_sure = (
        evidence.is_over or evidence.loudness is not Loudness.ECHO
    )  # of an echo "without" begins as "Wait,"
    command = _any_of(policy.commands).match(line)
    if is_sure and command and not _begins_backchannel(line, command, policy):
        return OverlapVerdict.INTERRUPT
    if _may_be_misheard(evidence, count_words(line), policy):
        return OverlapVerdict.DISMISS if evidence.is_over else _wait_or_hold(evidence, policy)
    if not evidence.is_over and line in " ".join(audible or words_of(answer)):
        return _wait_or_hold(evidence, policy)  # too little to tell an echo from a person
    contents = [word for word in _any_of(policy.backchannels).sub("", line).split() if not is_hum(word)]
    if len(contents) >= policy.min_words:
        if _may_be_hum(evidence, words):
            return OverlapVerdict.DISMISS if evidence.is_over else _wait_or_hold(evidence, policy)
        return OverlapVerdict.INTERRUPT
    return OverlapVerdict.DISMISS if evidence.is_over else _wait_or_hold(evidence, policy)


def _may_be_misheard(evidence: OverlapEvidence, words: float, policy: InterruptionPolicy) -> bool:
    """Whether it may be a piece of an echo, or a caption of what was hardly said."""
    if evidence.is_over:
        return evidence.loudness is Loudness.ECHO and words < ECHO_WORDS
    if words > 2 + MOST_WORDS_A_S * evidence.lasted_ms / 1000:
        return True
    is_short = evidence.lasted_ms < 2 * policy.min_duration_ms or words < CAPTION_WORDS
    return evidence.loudness is Loudness.ECHO and is_short


def _may_be_hum(evidence: OverlapEvidence, words: Sequence[str]) -> bool:
    """Whether it is short and says no clear word; how clear the one word of a sound that goes on is, nobody knows."""
    if evidence.lasted_ms >= HUM_MS:
        return False
    if evidence.is_over:
        unclear_below = evidence.unclear_below
        return (
            len(words) <= HUM_WORDS and unclear_below is not None and evidence.log_probability < unclear_below
        )
    return len(words) == 1


def is_echo(words: Sequence[str], audible: Sequence[str], loudness: Loudness | None = None) -> bool:
    """Whether `words` are the agent's own, heard through the microphone.

    `audible` are those that could be heard at that moment if `loudness` is given, otherwise all of the answer: then
    one or two words tell nothing.
    """
    if not words or not audible:
        return False
    if are_few(words):
        if loudness is None or loudness is Loudness.PERSON:
            return False
        return any(
            _letters_in("".join(audible[at : at + len(words) + 1]), "".join(words)) >= FEW_WORDS_LETTERS
            for at in range(len(audible))
        )
    blocks = SequenceMatcher(None, audible, words, autojunk=False).get_matching_blocks()
    matched = sum(block.size for block in blocks)
    beyond = len(words) - max((block.b + block.size for block in blocks if block.size), default=0)
    if matched >= ECHO_SHARE * len(words) and beyond < ECHO_WORDS:
        return True
    least = ECHO_LOUD_LETTERS if loudness is Loudness.ECHO else ECHO_LETTERS
    return loudness is not None and _letters_in("".join(audible), "".join(words)) >= least


def are_few(words: Sequence[str]) -> bool:
    """Whether they are so few that the person may have said them by chance; a character is less than a word."""
    return count_words(" ".join(words)) < ECHO_WORDS


def _letters_in(said: str, heard: str) -> float:
    """Share of the letters heard that are in what was said, in order, two or more in a row."""
    blocks = SequenceMatcher(None, said, heard, autojunk=False).get_matching_blocks()
    least = min(2, len(heard))
    return sum(block.size for block in blocks if block.size >= least) / len(heard)


def words_of(text: str) -> list[str]:
    """The words, as they are compared: characters, where a script has no spaces."""
    return _WORD.findall(text.casefold())


def _judge_voice(evidence: OverlapEvidence, policy: InterruptionPolicy) -> OverlapVerdict:
    """A sound of which no words are known, or which has none: noise sounds like a voice to some detectors."""
    if evidence.loudness is Loudness.ECHO:
        return OverlapVerdict.WAIT  # its words will tell: a voice that stops at each of its echoes stutters
    untranscribed_ms = evidence.lasted_ms - evidence.transcribed_ms
    if (
        policy.min_words <= 1
        and not evidence.transcribed_ms
        and untranscribed_ms >= 2 * policy.min_duration_ms
    ):
        return OverlapVerdict.INTERRUPT
    return (
        OverlapVerdict.TRANSCRIBE
        if untranscribed_ms >= policy.min_duration_ms
        else _wait_or_hold(evidence, policy)
    )


def _wait_or_hold(evidence: OverlapEvidence, policy: InterruptionPolicy) -> OverlapVerdict:
    if evidence.loudness is Loudness.ECHO:
        return OverlapVerdict.WAIT
    return OverlapVerdict.HOLD if evidence.lasted_ms >= policy.hold_after_ms else OverlapVerdict.WAIT


def _begins_backchannel(line: str, command: re.Match[str], policy: InterruptionPolicy) -> bool:
    """Whether what looks like a command is the first character of something else: "不错" begins with "不"."""
    backchannel = _any_of(policy.backchannels).match(line)
    return is_unspaced(command[0]) and backchannel is not None and backchannel.end() > command.end()


@cache
def _any_of(phrases: tuple[str, ...]) -> re.Pattern[str]:
    """Any of the phrases, the longest first, as whole words of a line of `words_of`."""
    lines = (" ".join(words_of(phrase)) for phrase in phrases)
    longest_first = sorted(map(re.escape, lines), key=len, reverse=True)
    return re.compile(rf"(?<!\S)(?:{'|'.join(longest_first)})(?!\S)")
