"""What every voice must do: `stages.ports.Synthesiser` as checks."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

import numpy as np

from stages.errors import ProviderError
from stages.ports import Speech, Synthesiser, SynthesiserCapabilities, WordTime
from stages.testing.cancelling import (
    CANCEL_WITHIN_S,
    Stopwatch,
    cancel_at_every_wait,
    cancel_under_way,
    is_quick,
    twice_at_once,
)
from stages.testing.kit import Check

SENTENCE = "Your table for four is booked, and we look forward to seeing you."
_NOTHING_TO_SAY = ("", "   \n", "...", "\u2014")
_ODD_TEXTS = (
    "\U0001f389\U0001f389",
    "你好, שלום, Żółć!",
    "a\u0000b",
    "Half \ud83d of a character.",
    "x" * 300,
    "https://example.org/?a=1&b=2#c",
)
_HUGE = "This sentence is said again and again. " * 100
_LEAST_HZ, _MOST_HZ = 8_000, 48_000


async def check_synthesiser(voice: Synthesiser) -> None:
    """A sentence must be spoken, audibly, at about its length; and nothing must be nothing.

    Raises AssertionError with the first fault; `stages.testing.kit` finds all of them, and more.
    """
    for check in voice_checks():
        await check.run(voice)


def voice_checks() -> tuple[Check[Synthesiser], ...]:
    """All checks of a voice."""
    table: dict[str, tuple[str, Callable[[Synthesiser], Awaitable[None]]]] = {
        "speaks": (
            "a sentence, audible, as long as people take for it; words in order and in the audio",
            _speaks,
        ),
        "declares": ("what `capabilities` say it does: word times, speed", _declares),
        "at_once": ("two texts at once", _two_at_once),
        "cancel": ("cancelled wherever it waits, it ends at once", _cancelled),
        "closing": ("closed in the middle, it ends at once and gives nothing more", _closed),
        "nothing": ("no sound where there is nothing to say", _nothing_to_say),
        "length": ("one word is shorter than a sentence", _shorter),
        "names": ("all voices that it offers, each another; an unknown one speaks too", _check_names),
        "odd": ("emoji, whole and half, other scripts, no words: sound, nothing or a ProviderError", _odd),
        "huge": ("4,000 characters at once: it begins, and can be left", _huge),
        "keeps": ("audio that was given does not change afterwards", _keeps),
    }
    return tuple(Check(name, about, run, may_hold=name == "huge") for name, (about, run) in table.items())


async def _spoken(voice: Synthesiser) -> int:
    return _check_speech(await _speak(voice, SENTENCE), voice.rate_hz)


async def _speaks(voice: Synthesiser) -> None:
    assert _LEAST_HZ <= voice.rate_hz <= _MOST_HZ, f"speech is not {voice.rate_hz} samples a second"
    await _spoken(voice)


async def _shorter(voice: Synthesiser) -> None:
    spoken = await _spoken(voice)
    assert _length(await _speak(voice, "Yes.")) < spoken, "one word lasts as long as a sentence"


async def _declares(voice: Synthesiser) -> None:
    able = getattr(voice, "capabilities", SynthesiserCapabilities())
    plainly = await _speak(voice, SENTENCE)
    assert any(speech.words for speech in plainly) or not able.word_times, (
        "it declares word times, and gives none"
    )
    if able.speed:
        faster = _length(await _speak(voice, SENTENCE, speed=1.5))
        assert faster < _length(plainly), "speaking faster takes as long"


async def _two_at_once(voice: Synthesiser) -> None:
    spoken = await _spoken(voice)

    async def speak() -> int:
        return await _spoken(voice)

    for samples in await twice_at_once(speak):
        assert 0.5 * spoken <= samples <= 2 * spoken, "two at once: the lengths differ"


async def _cancelled(voice: Synthesiser) -> None:
    async def speak() -> None:
        await _speak(voice, SENTENCE)

    await cancel_under_way(speak, "the stream")
    await cancel_at_every_wait(speak, "the stream")
    await _spoken(voice)


async def _closed(voice: Synthesiser) -> None:
    async def close() -> float:
        stream = voice.stream(SENTENCE)
        await anext(stream)
        since = Stopwatch()
        await stream.aclose()
        took_s = since.took_s()
        assert await anext(stream, None) is None, "audio came after the stream was closed"
        return took_s

    await is_quick(close, CANCEL_WITHIN_S, "closing the stream waited")


async def _nothing_to_say(voice: Synthesiser) -> None:
    for nothing in _NOTHING_TO_SAY:
        assert _length(await _speak(voice, nothing)) == 0, f"{nothing!r} has nothing to say, but made sound"


async def _check_names(voice: Synthesiser) -> None:
    """Voices that are offered speak, and not alike; whatever else is asked for speaks too."""
    names = [option.name for option in voice.voices]
    assert names, "there is always a voice"
    assert all(names), "a voice has a name"
    assert len({*names}) == len(names), f"the names of voices must differ: {names}"
    assert "default" not in names, "to clients 'default' is the first voice, whatever its name"
    sounds = [await _sound(voice, name) for name in names]
    assert all(sounds), "a voice is silent"
    assert len({*sounds}) == len(names), "two voices sound the same"
    assert await _sound(voice, "no such voice"), "an unknown voice is silent"


async def _odd(voice: Synthesiser) -> None:
    for text in _ODD_TEXTS:
        try:
            await _speak(voice, text)
        except ProviderError:
            continue
    await _spoken(voice)


async def _huge(voice: Synthesiser) -> None:
    try:
        async with aclosing(voice.stream(_HUGE)) as stream:
            assert await anext(stream, None) is not None, "a long text is silent"
    except ProviderError:
        pass
    await _spoken(voice)


async def _keeps(voice: Synthesiser) -> None:
    given: list[tuple[Speech, bytes]] = []
    async with aclosing(voice.stream(SENTENCE)) as stream:
        async for speech in stream:
            given.append((speech, speech.samples.tobytes()))
    assert all(speech.samples.tobytes() == sound for speech, sound in given), (
        "audio that was given has changed since: give each chunk samples of its own"
    )


async def _sound(voice: Synthesiser, name: str | None) -> bytes:
    return b"".join(speech.samples.tobytes() for speech in await _speak(voice, SENTENCE, name=name))


async def _speak(
    voice: Synthesiser, text: str, *, name: str | None = None, speed: float = 1.0
) -> list[Speech]:
    async with aclosing(voice.stream(text, voice=name, speed=speed)) as stream:
        return [speech async for speech in stream]


def _length(speeches: Sequence[Speech]) -> int:
    return sum(len(speech.samples) for speech in speeches)


def _check_speech(speeches: Sequence[Speech], rate_hz: int) -> int:
    kinds = {(str(speech.samples.dtype), speech.samples.ndim) for speech in speeches}
    length = _length(speeches)
    assert length, "no audio came for a sentence, and no error (ErrorKind.NO_AUDIO) that says so"
    assert kinds == {("int16", 1)}, f"speech is int16[n], this one is {kinds}"
    letters = sum(map(str.isalpha, SENTENCE))
    letter_ms = 1000 * length / rate_hz / letters
    assert 20 < letter_ms < 200, f"{letter_ms:.0f} ms a letter is not how people speak"
    loudest = max(int(np.abs(speech.samples.astype(np.int32)).max(initial=0)) for speech in speeches)
    assert loudest > 1000, f"nobody hears a voice whose loudest sample is {loudest}"
    check_words([word for speech in speeches for word in speech.words], SENTENCE, length)
    begins = [speech.begins for speech in speeches if speech.begins is not None]
    assert begins == sorted(begins), f"the text goes forward only: {begins}"
    assert all(0 <= begin <= len(SENTENCE) for begin in begins), f"{begins} is beyond the text"
    return length


def check_words(words: Sequence[WordTime], text: str, length: int) -> None:
    """The words of a text, in order and in its audio of so many samples; or none."""
    at = 0
    for word in words:
        assert at <= word.start_sample <= word.end_sample <= length, (
            f"{word} is out of order or out of the audio"
        )
        at = word.start_sample
    told = [word.text for word in words]
    assert told in ([], text.split()), f"all words have times, or none: {told}"
