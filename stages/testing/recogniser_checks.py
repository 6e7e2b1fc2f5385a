"""What every recogniser must do that transcribes what it is given: `stages.ports.Recogniser` as checks."""

import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
import anyio.lowlevel
import numpy as np

from audio.formats import Samples
from stages.errors import ProviderError
from stages.ports import Partial, Recogniser, RecogniserCapabilities, SpeechHints, Transcript
from stages.testing.cancelling import cancel_at_every_wait, cancel_under_way, twice_at_once
from stages.testing.kit import Check
from stages.testing.wer import heard_words, word_error_rate

_FRAME_MS = 20
_ODD_FRAMES = (1, 7, 33, 159)
"""Samples in a push: less than any frame, and no two pushes together are one."""
_LONG_S = 40
_SLACK_MS = 200
"""Recognisers count in frames of their own: a word may end so much after the audio."""
_ODD_HINTS = (
    SpeechHints("xx", ("",)),
    SpeechHints("de-CH", ("Żółć 🎉", "\u0000", "long " * 200)),
)


@dataclass(frozen=True, slots=True)
class KnownSpeech:
    """Speech whose words are known."""

    samples: Samples
    """`int16[n]` at the recogniser's rate."""
    text: str
    max_word_errors: float = 0.0
    """Share of its words that may be wrong, missing or too many."""

    def check(self, heard: str) -> None:
        """Raises AssertionError when something else was heard."""
        errors = word_error_rate(self.text, heard)
        assert errors <= self.max_word_errors, (
            f"heard {heard!r} for {self.text!r}: word error rate {errors:.2f}"
        )


def recogniser_checks(said: KnownSpeech) -> tuple[Check[Recogniser], ...]:
    """All checks, by speech that the recogniser must understand."""
    table: dict[str, tuple[str, Callable[[Recogniser, KnownSpeech], Awaitable[None]]]] = {
        "hears": ("the words, in frames of 20 ms; its partials keep what they call stable", _hears),
        "declares": ("what `capabilities` say it does: partials, word times", _declares),
        "silence": ("nothing in silence, and nothing in no audio", _hears_nothing),
        "cut": ("the same words, wherever the audio is cut", _hears_any_cut),
        "again": ("final() twice, and again after more audio; close() twice", _final_again),
        "cancel": ("cancelled wherever final() waits, it ends at once and keeps the audio", _cancelled),
        "at_once": ("two utterances at once, which do not mix", _two_at_once),
        "words": ("times of words that go forward and lie in the audio", _word_times),
        "hints": ("hints in any language, script and length", _odd_hints),
        "huge": ("40 s pushed at once, and speech after that", _huge),
        "after_close": ("no partial after close(), whatever is pushed and asked then", _after_close),
    }
    return tuple(
        Check(name, about, _with(run, said), may_hold=name == "huge") for name, (about, run) in table.items()
    )


async def check_recogniser(
    recogniser: Recogniser, speech: Samples, expected: str, *, max_word_errors: float = 0.0
) -> None:
    """`speech` is `int16[n]` at the recogniser's rate in which `expected` is said.

    Of its words the share `max_word_errors` may be wrong, missing or too many. Raises AssertionError with the first
    fault; `stages.testing.kit` finds all of them, and more.
    """
    for check in recogniser_checks(KnownSpeech(speech, expected, max_word_errors)):
        await check.run(recogniser)


def _with(
    run: Callable[[Recogniser, KnownSpeech], Awaitable[None]], said: KnownSpeech
) -> Callable[[Recogniser], Awaitable[None]]:
    async def check(recogniser: Recogniser) -> None:
        await run(recogniser, said)

    return check


async def _hears(recogniser: Recogniser, said: KnownSpeech) -> None:
    partials: list[Partial] = []
    text = (await hear(recogniser, said.samples, partials)).text
    said.check(text)
    reported = len(partials)
    stable = ""
    for partial in partials:
        assert partial.text.startswith(partial.stable), f"{partial} does not start with its stable part"
        assert partial.stable.startswith(stable), f"stable text {stable!r} was changed: {partial}"
        stable = partial.stable
    told = heard_words(stable)
    assert heard_words(text)[: len(told)] == told, f"stable {stable!r} is not in {text!r}"
    await hear(recogniser, said.samples, [])
    assert len(partials) == reported, "a partial was reported after close"


async def _declares(recogniser: Recogniser, said: KnownSpeech) -> None:
    able = getattr(recogniser, "capabilities", RecogniserCapabilities())
    partials: list[Partial] = []
    transcript = await hear(recogniser, said.samples, partials, pause_s=0.001)
    if able.partials and not partials:  # it may need the time that people take
        await hear(recogniser, said.samples, partials, pause_s=_FRAME_MS / 1000)
    assert partials or not able.partials, "it declares partials, and reports none"
    assert transcript.words or not able.word_times, "it declares word times, and gives none"


async def _hears_nothing(recogniser: Recogniser, _: KnownSpeech) -> None:
    for nothing in (np.zeros(0, np.int16), np.zeros(recogniser.rate_hz, np.int16)):
        text = (await hear(recogniser, nothing, [])).text
        assert text == "", f"{len(nothing)} samples of silence were heard as {text!r}"


async def _hears_any_cut(recogniser: Recogniser, said: KnownSpeech) -> None:
    recognition = recogniser.open()
    at = turn = 0
    while at < len(said.samples):
        length = _ODD_FRAMES[turn % len(_ODD_FRAMES)]
        recognition.push(said.samples[at : at + length])
        at, turn = at + length, turn + 1
        await anyio.lowlevel.checkpoint()  # each push is a step of its own
    said.check((await recognition.final()).text)
    recognition.close()


async def _final_again(recogniser: Recogniser, said: KnownSpeech) -> None:
    recognition = recogniser.open()
    recognition.push(said.samples)
    for _ in range(2):
        said.check((await recognition.final()).text)
    recognition.push(np.zeros(recogniser.rate_hz // 2, np.int16))
    said.check((await recognition.final()).text)
    recognition.close()
    recognition.close()


async def _cancelled(recogniser: Recogniser, said: KnownSpeech) -> None:
    recognition = recogniser.open()
    recognition.push(said.samples)
    await cancel_under_way(recognition.final, "final()")
    said.check((await recognition.final()).text)
    recognition.close()

    async def heard() -> None:
        fresh = recogniser.open()
        try:
            fresh.push(said.samples)
            await fresh.final()
        finally:
            fresh.close()

    await cancel_at_every_wait(heard, "final()")
    said.check((await hear(recogniser, said.samples, [])).text)


async def _two_at_once(recogniser: Recogniser, said: KnownSpeech) -> None:
    async def heard() -> str:
        return (await hear(recogniser, said.samples, [], pause_s=0.001)).text

    for text in await twice_at_once(heard):
        said.check(text)


async def _word_times(recogniser: Recogniser, said: KnownSpeech) -> None:
    lead = np.zeros(recogniser.rate_hz, np.int16)
    # The second tells times of the connection, too, where they should be the utterance's own.
    for samples in (said.samples, np.concatenate([lead, said.samples])):
        end_ms = 1000 * len(samples) / recogniser.rate_hz + _SLACK_MS
        at = 0
        for word in (await hear(recogniser, samples, [])).words:
            assert at <= word.start_ms <= word.end_ms <= end_ms, (
                f"{word} is out of order or out of the audio, which ends at {end_ms - _SLACK_MS:.0f} ms"
            )
            at = word.start_ms
            assert word.confidence is None or 0.0 <= word.confidence <= 1.0, f"{word}: confidence is 0 to 1"


async def _odd_hints(recogniser: Recogniser, said: KnownSpeech) -> None:
    for hints in _ODD_HINTS:
        recognition = recogniser.open(hints=hints)
        try:
            recognition.push(said.samples)
            _check_sane(await recognition.final())
        except ProviderError:
            continue
        finally:
            recognition.close()
    said.check((await hear(recogniser, said.samples, [])).text)


async def _huge(recogniser: Recogniser, said: KnownSpeech) -> None:
    recognition = recogniser.open()
    try:
        recognition.push(np.zeros(_LONG_S * recogniser.rate_hz, np.int16))
        _check_sane(await recognition.final())
    except ProviderError:
        pass
    finally:
        recognition.close()
    said.check((await hear(recogniser, said.samples, [])).text)


async def _after_close(recogniser: Recogniser, said: KnownSpeech) -> None:
    partials: list[Partial] = []
    recognition = recogniser.open(partials.append)
    recognition.push(said.samples[: len(said.samples) // 2])
    recognition.close()
    told = len(partials)
    recognition.push(said.samples[len(said.samples) // 2 :])
    await anyio.sleep(0.1)
    recognition.close()
    assert len(partials) == told, "a partial was reported after close"
    said.check((await hear(recogniser, said.samples, [])).text)


async def hear(
    recogniser: Recogniser, speech: Samples, partials: list[Partial], *, pause_s: float = 0.0
) -> Transcript:
    """The transcript of an utterance that is pushed in frames, with `pause_s` after each."""
    loop_thread = threading.get_ident()
    elsewhere = list[Partial]()

    def keep(partial: Partial) -> None:
        (partials if threading.get_ident() == loop_thread else elsewhere).append(partial)

    recognition = recogniser.open(keep)
    try:
        frame = recogniser.rate_hz * _FRAME_MS // 1000
        for start in range(0, len(speech), frame):
            recognition.push(speech[start : start + frame])
            await (anyio.sleep(pause_s) if pause_s else anyio.lowlevel.checkpoint())
        transcript = await recognition.final()
    finally:
        recognition.close()
    assert not elsewhere, "on_partial was called from another thread than the event loop's"
    _check_sane(transcript)
    return transcript


def _check_sane(transcript: Transcript) -> None:
    assert isinstance(transcript.text, str), f"text is a str, not {type(transcript.text).__name__}"
    assert 0.0 <= transcript.no_speech <= 1.0, f"no_speech is a probability, not {transcript.no_speech}"
    assert transcript.log_probability <= 0.0, f"a log probability is at most 0: {transcript.log_probability}"
    sure = transcript.confidence
    assert sure is None or 0.0 <= sure <= 1.0, f"confidence is 0 to 1, not {sure}"
