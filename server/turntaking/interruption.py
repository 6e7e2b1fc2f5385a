"""What a sound made during an answer is: nothing yet, worth holding the voice for, an interruption, or a false alarm.

Pure: `judge` is asked again whenever there is more evidence. Words decide where there are any: "stop" takes
the floor at once, "mhm" never does, and the agent's own words coming back through the microphone are an echo.
Before there are words, only how long the voice has lasted counts.
"""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from functools import cache

BACKCHANNELS = (
    *("mhm", "mm", "mmm", "hm", "hmm", "uh-huh", "uhuh", "huh", "uh", "um", "ah", "oh", "aha", "wow"),
    *(
        "okay",
        "ok",
        "yeah",
        "yep",
        "yup",
        "yes",
        "right",
        "sure",
        "alright",
        "really",
        "exactly",
        "absolutely",
    ),
    *("good", "great", "nice", "cool", "interesting", "i see", "got it", "of course", "go on", "all right"),
)
"""Words with which a listener encourages a speaker; the interjections of English conversation studies."""

TAKE_THE_FLOOR = (
    "stop",
    "wait",
    "no",
    "hold on",
    "hang on",
    "shut up",
    "cancel",
    "enough",
    "excuse me",
    "quiet",
)
"""How an utterance begins that wants silence, whatever comes after it."""

ECHO_SHARE = 0.66
"""Of the words heard, how many must be the agent's own, in order, to be its echo."""

ECHO_WORDS = 3
"""Fewer words than these may be the person's by chance."""

_WORD = re.compile(r"[a-z0-9'-]+")


class OverlapVerdict(StrEnum):
    """What is to be done about the sound."""

    WAIT = "wait"
    HOLD = "hold"
    """Hold the voice until more is known."""
    TRANSCRIBE = "transcribe"
    """The same, and have what there is of it transcribed now."""
    INTERRUPT = "interrupt"
    DISMISS = "dismiss"


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


def judge(evidence: OverlapEvidence, policy: InterruptionPolicy, answer: str = "") -> OverlapVerdict:
    """What the sound is. `answer` is the text that the agent is speaking."""
    words = words_of(evidence.text)
    if not words:
        return OverlapVerdict.DISMISS if evidence.is_over else _judge_voice(evidence, policy)
    if is_echo(words, answer):
        return OverlapVerdict.DISMISS if evidence.is_over else _wait_or_hold(evidence, policy)
    line = " ".join(words)
    if _any_of(policy.commands).match(line):
        return OverlapVerdict.INTERRUPT
    if not evidence.is_over and line in " ".join(words_of(answer)):
        return _wait_or_hold(evidence, policy)  # too little to tell an echo from a person
    contents = _any_of(policy.backchannels).sub("", line).split()
    if len(contents) >= policy.min_words:
        return OverlapVerdict.INTERRUPT
    return OverlapVerdict.DISMISS if evidence.is_over else _wait_or_hold(evidence, policy)


def is_echo(words: list[str], answer: str) -> bool:
    """Whether `words` are the agent's own, heard through the microphone."""
    if len(words) < ECHO_WORDS:
        return False
    spoken = words_of(answer)
    blocks = SequenceMatcher(None, spoken, words, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) >= ECHO_SHARE * len(words)


def words_of(text: str) -> list[str]:
    """The words, as they are compared."""
    return _WORD.findall(text.casefold())


def _judge_voice(evidence: OverlapEvidence, policy: InterruptionPolicy) -> OverlapVerdict:
    """A sound of which no words are known, or which has none: noise sounds like a voice to some detectors."""
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
    return OverlapVerdict.HOLD if evidence.lasted_ms >= policy.hold_after_ms else OverlapVerdict.WAIT


@cache
def _any_of(phrases: tuple[str, ...]) -> re.Pattern[str]:
    """Any of the phrases, the longest first, as whole words of a line of `words_of`."""
    longest_first = sorted(map(re.escape, phrases), key=len, reverse=True)
    return re.compile(rf"(?<!\S)(?:{'|'.join(longest_first)})(?!\S)")
