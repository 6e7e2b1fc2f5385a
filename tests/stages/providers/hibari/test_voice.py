"""The embedded voice: how a text is worked off, by a scripted engine; how it sounds, by the real one."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from threading import Event as ThreadEvent

import anyio
import anyio.to_thread
import numpy as np
import pytest

from audio.formats import Samples
from audio.levels import FULL_SCALE, sounding
from stages.errors import ModelFileError, ProviderError
from stages.ports import Speech, WordTime
from stages.providers.hibari.voice import EmbeddedVoice
from stages.providers.phonetic import RATE_HZ, Clip
from stages.runtime.models import model_dir
from stages.runtime.worker import Worker
from stages.testing.contracts import check_synthesiser
from tests.support.audio_maker import dbfs


async def speeches(voice: EmbeddedVoice, text: str, speed: float = 1.0) -> list[Speech]:
    async with aclosing(voice.stream(text, speed=speed)) as speech:
        return [piece async for piece in speech]


async def say(voice: EmbeddedVoice, text: str, speed: float = 1.0) -> list[Samples]:
    return [speech.samples for speech in await speeches(voice, text, speed)]


async def words(voice: EmbeddedVoice, text: str) -> list[WordTime]:
    return [word for speech in await speeches(voice, text) for word in speech.words]


# --- with a scripted engine -----------------------------------------------------------------------------


class ToneEngine:
    """Speaks a tenth of a second of tone for each text, between long silences, as loud as it is told.

    Each character takes the same time of the tone. What is in `readings` has other phonemes than its letters.
    """

    def __init__(self, peak: float = 0.3, readings: Mapping[str, str] | None = None) -> None:
        self.peak = peak
        self.readings = readings or {}
        self.spoken: list[tuple[str, float]] = []
        self.begun = ThreadEvent()
        self.may_speak = ThreadEvent()
        self.may_speak.set()

    def phonemize(self, text: str) -> list[str]:
        if not any(char.isascii() and char.isalnum() for char in text):
            return []
        return [self.readings.get(text, text)]

    def speak(self, phonemes: str, speed: float, seed: int) -> Clip:
        self.begun.set()
        self.may_speak.wait(20)
        if "fail" in phonemes:
            raise RuntimeError("no voice today")
        self.spoken.append((phonemes, speed))
        tone = np.sin(np.arange(RATE_HZ // 10) * 0.1).astype(np.float32) * np.float32(self.peak)
        silence = np.zeros(RATE_HZ // 2, np.float32)
        samples = np.concatenate([silence, tone, silence])
        began = len(silence) + RATE_HZ * 45 // 1000  # the real one's durations lag by so much
        bounds = [began + round(at * len(tone) / len(phonemes)) for at in range(len(phonemes) + 1)]
        return Clip(samples, tuple(bounds))


@asynccontextmanager
async def speaking(engine: ToneEngine) -> AsyncIterator[EmbeddedVoice]:
    voice = EmbeddedVoice(engine, Worker("voice"))
    try:
        yield voice
    finally:
        engine.may_speak.set()
        await anyio.to_thread.run_sync(voice.close)


async def test_sentences_are_spoken_one_by_one() -> None:
    engine = ToneEngine()
    async with speaking(engine) as voice:
        pieces = await say(voice, "Your table is booked. It is for four people! Will that be all for today?")
    assert [text for text, _ in engine.spoken] == [
        "Your table is booked.",
        " It is for four people!",
        " Will that be all for today?",
    ]
    assert len(pieces) == 3


@pytest.mark.parametrize("text", ["", " \n", "...", "🎉", "**"])
async def test_text_with_nothing_to_say_yields_nothing(text: str) -> None:
    engine = ToneEngine()
    async with speaking(engine) as voice:
        assert await say(voice, text) == []
    assert engine.spoken == []


async def test_markup_is_not_spoken() -> None:
    engine = ToneEngine()
    async with speaking(engine) as voice:
        await say(voice, "**20%** of `80`")
    assert engine.spoken == [("twenty percent of eighty", 1.0)]


@pytest.mark.parametrize(("mark", "pause_ms"), [(".", 250), ("?", 250), (",", 120), ("", 50)])
async def test_a_piece_has_a_short_head_and_the_pause_of_its_mark(mark: str, pause_ms: int) -> None:
    async with speaking(ToneEngine()) as voice:
        (samples,) = await say(voice, "Well then" + mark)
    assert len(samples) * 1000 / RATE_HZ == pytest.approx(20 + 100 + pause_ms, abs=5)


@pytest.mark.parametrize(("peak", "expected"), [(0.1, 0.251), (0.3, 0.754), (0.4, 0.956), (1.0, 1.0)])
async def test_the_gain_is_constant_and_loud_peaks_are_bent_not_clipped(peak: float, expected: float) -> None:
    async with speaking(ToneEngine(peak)) as voice:
        (samples,) = await say(voice, "Hello.")
    assert np.abs(samples.astype(float)).max() / FULL_SCALE == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize(("wished", "given"), [(1.25, 1.25), (0.1, 0.5), (9.0, 2.0)])
async def test_speed_is_kept_within_what_the_voice_can(wished: float, given: float) -> None:
    engine = ToneEngine()
    async with speaking(engine) as voice:
        await say(voice, "Hello.", speed=wished)
    assert engine.spoken == [("Hello.", given)]


def ms(word: WordTime) -> tuple[str, int, int]:
    return word.text, round(word.start_sample / 24), round(word.end_sample / 24)


async def test_words_lie_where_their_phonemes_do() -> None:
    engine = ToneEngine(readings={"a b — c!": "xxxxxx xxxx — xxxx!!"})
    async with speaking(engine) as voice:
        found = [ms(word) for word in await words(voice, "a b — c! d.")]
    # 20 ms of silence, 20 or 3 characters in 100 ms of tone, and the pause of the mark
    assert found == [("a", 20, 50), ("b", 55, 75), ("c!", 90, 110), ("d.", 423, 457)]


@pytest.mark.parametrize(
    ("text", "readings", "expected"),
    [
        ("It is BBC.", {"It is BBC.": "it iz bi:bi:si:."}, ["It", "is", "BBC."]),
        ("It is B.B.C", {"It is B.B.C": "it iz bi: bi: si:", "B.B.C": "bi: bi: si:"}, ["It", "is", "B.B.C"]),
        ("It's AC/DC.", {"It's AC DC.": "its eisi: disi:."}, ["It's", "AC", "DC."]),
        ("$3.2 billion.", {}, ["three", "point", "two", "billion", "dollars."]),
        ("Well — xqz, x.", {"Well — xqz, x.": "wel — x."}, ["Well", "xqz,", "x."]),
    ],
)
async def test_every_word_has_a_time_however_it_is_read(
    text: str, readings: dict[str, str], expected: list[str]
) -> None:
    async with speaking(ToneEngine(readings=readings)) as voice:
        (speech,) = await speeches(voice, text)
    assert [word.text for word in speech.words] == expected
    places = [place for word in speech.words for place in (word.start_sample, word.end_sample)]
    assert places == sorted(places)
    assert places[-1] <= len(speech.samples)


async def test_a_first_sentence_goes_before_anothers_second() -> None:
    engine = ToneEngine()
    async with speaking(engine) as voice, aclosing(voice.stream("First of one. Second of one.")) as one:
        await anext(one)
        engine.may_speak.clear()  # a third session's sentence keeps the worker busy, two others queue up
        async with anyio.create_task_group() as sessions:
            sessions.start_soon(say, voice, "Busy.")
            await anyio.wait_all_tasks_blocked()
            sessions.start_soon(anext, one)
            await anyio.wait_all_tasks_blocked()
            sessions.start_soon(say, voice, "First of two.")
            await anyio.wait_all_tasks_blocked()
            engine.may_speak.set()
    assert [text.strip() for text, _ in engine.spoken] == [
        "First of one.",
        "Busy.",
        "First of two.",
        "Second of one.",
    ]


async def test_a_cancelled_answer_ends_at_once_and_its_rest_is_never_spoken() -> None:
    engine = ToneEngine()
    async with speaking(engine) as voice:
        engine.may_speak.clear()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(say, voice, "This is being said. This is never said. This neither.")
            assert await anyio.to_thread.run_sync(engine.begun.wait, 20)
            tasks.cancel_scope.cancel()  # although the engine is still at it
        engine.may_speak.set()
        await say(voice, "Next.")
    assert [text for text, _ in engine.spoken] == ["This is being said.", "Next."]


async def test_a_failing_engine_is_a_provider_error_and_the_next_text_is_spoken() -> None:
    async with speaking(ToneEngine()) as voice:
        with pytest.raises(ProviderError, match="no voice today"):
            await say(voice, "I will fail.")
        assert await say(voice, "Hello.")


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    pytest.importorskip("hibari")
    with pytest.raises(ModelFileError, match="hibari-heart"):
        EmbeddedVoice.load(tmp_path)


# --- with the real one ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def voice() -> Iterator[EmbeddedVoice]:
    voice = EmbeddedVoice.load(model_dir("hibari-heart"))
    yield voice
    voice.close()


@pytest.mark.models
async def test_it_keeps_the_contract_of_a_synthesiser(voice: EmbeddedVoice) -> None:
    await check_synthesiser(voice)


TEXT = "Sure. Your table for four is booked for tomorrow at seven. Is there anything else?"


@pytest.mark.models
async def test_the_same_text_gives_the_same_audio_whatever_is_said_around_it(voice: EmbeddedVoice) -> None:
    whole = await say(voice, TEXT)
    alone = await say(voice, "Your table for four is booked for tomorrow at seven.")
    for piece, again in zip(whole, await say(voice, TEXT), strict=True):
        np.testing.assert_array_equal(piece, again)
    np.testing.assert_array_equal(whole[1], alone[0])


@pytest.mark.models
@pytest.mark.parametrize(
    "text", ["Sure.", "Okay", "It's 12:05.", "What would you like to do next?", "A", "Mmm"]
)
async def test_a_piece_starts_at_once_ends_with_a_pause_and_is_loud_but_not_clipped(
    voice: EmbeddedVoice, text: str
) -> None:
    (samples,) = await say(voice, text)
    voiced = samples[sounding(samples, RATE_HZ, head_ms=0, tail_ms=0)]
    head = samples[sounding(samples, RATE_HZ, head_ms=0, tail_ms=1000)]
    assert len(samples) - len(head) <= 25 * RATE_HZ // 1000
    assert len(head) - len(voiced) <= 255 * RATE_HZ // 1000
    assert np.abs(samples.astype(int)).max() < 32767


@pytest.mark.models
async def test_loudness_is_that_of_speech_and_even(voice: EmbeddedVoice) -> None:
    levels = [dbfs(piece[sounding(piece, RATE_HZ)]) for piece in await say(voice, TEXT)]
    assert all(-21 < level < -15 for level in levels), levels


@pytest.mark.models
async def test_two_callers_get_what_each_would_get_alone(voice: EmbeddedVoice) -> None:
    texts = ["Hello there. This is the first.", "Goodbye now. That was the second."]
    alone = [np.concatenate(await say(voice, text)) for text in texts]
    together: dict[int, Samples] = {}

    async def speak(index: int) -> None:
        together[index] = np.concatenate(await say(voice, texts[index]))

    async with anyio.create_task_group() as sessions:
        sessions.start_soon(speak, 0)
        sessions.start_soon(speak, 1)
    for index in range(2):
        np.testing.assert_array_equal(together[index], alone[index])


@pytest.mark.models
async def test_its_pauses_lie_between_words_that_the_text_parts(voice: EmbeddedVoice) -> None:
    pauses = 0
    for text in PAUSING:
        (speech,) = await speeches(voice, text)
        assert [word.text for word in speech.words] == text.split()
        parted = [
            (word.end_sample - RATE_HZ // 33, following.start_sample + RATE_HZ // 33)
            for word, following in pairwise(speech.words)
            if word.text.endswith((",", ";"))
        ]
        for start, end in quiet_stretches(speech.samples[: speech.words[-1].end_sample]):
            pauses += 1
            assert any(before <= start and end <= after for before, after in parted), (text, start, end)
    assert pauses >= 6


PAUSING = (
    "In summer, when it is hot, people swim; in winter, they stay in.",
    "First, open the box, then take the card, read the number, and call us.",
    "The weather, as far as I know, is fine, but take a coat.",
    "One, two, three, four, five, six, seven, eight, nine, ten.",
    "Well, that is a good question, and I do not know the answer.",
)


def quiet_stretches(samples: Samples) -> list[tuple[int, int]]:
    """Where for 85 ms or more there is next to nothing: longer than any consonant needs."""
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 500)
    return [(int(start), int(end)) for start, end in pairwise(loud) if end - start >= RATE_HZ * 85 // 1000]


@pytest.mark.models
async def test_faster_is_shorter(voice: EmbeddedVoice) -> None:
    (normal,) = await say(voice, "What would you like to do next?")
    (fast,) = await say(voice, "What would you like to do next?", speed=1.5)
    assert 0.55 < len(fast) / len(normal) < 0.85
