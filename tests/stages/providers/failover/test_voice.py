"""The next voice goes on where the first stopped: at a word whose like has not been heard, and none twice."""

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing

import anyio
import numpy as np
import pytest
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectSendStream

from stages.errors import ProviderError, ProviderRejected
from stages.ports import Speech, SynthesiserCapabilities, VoiceOption
from stages.providers.calls import ProviderCall, noting, provider_figures
from stages.providers.failover.chain import link_statistics
from stages.providers.failover.position import Heard, resume_at
from stages.providers.failover.voice import LATE_S, FailoverVoice
from stages.testing.fakes import Conduct, ScriptedVoice
from stages.testing.session_contracts import check_sessions, check_utterances
from stages.testing.virtual_time import virtual, virtual_loop

PIECES = ("One two three four.", " Five six seven.", " Eight nine.")
WORDS = ["One", "two", "three", "four.", "Five", "six", "seven.", "Eight", "nine."]
FAILS, HANGS = Conduct(fails=ProviderError), Conduct(hangs=True)


class Silent(ScriptedVoice):
    """Ends well, and gives no sound."""

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        nothing: tuple[Speech, ...] = ()
        for speech in nothing:
            yield speech


class Wordless:
    """Says what was asked of it, without the times of words; breaks off in the piece of this number."""

    voices = (VoiceOption("plain", "no times"),)
    capabilities = SynthesiserCapabilities()

    def __init__(self, breaks_in: int | None = None, rate_hz: int = 24_000) -> None:
        self.rate_hz = rate_hz
        self.asked: list[str] = []
        self._breaks_in = breaks_in

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        self.asked.append(text)
        yield Speech(np.ones(2400, np.int16))
        if len(self.asked) - 1 == self._breaks_in:
            raise ProviderError("broke off")
        yield Speech(np.ones(2400, np.int16))


async def speak(voice: FailoverVoice) -> list[Speech]:
    speeches = list[Speech]()
    async with voice.utterance() as utterance, anyio.create_task_group() as tasks:

        async def write() -> None:
            for piece in PIECES:
                await utterance.push(piece)
            await utterance.finish()

        tasks.start_soon(write)
        async with aclosing(utterance.audio()) as audio:
            async for speech in audio:
                speeches.append(speech)
        assert utterance.waiting_chars == 0
    return speeches


def words(speeches: list[Speech]) -> list[str]:
    spoken = [word for speech in speeches for word in speech.words]
    length = sum(len(speech.samples) for speech in speeches)
    at = 0
    for word in spoken:
        assert at <= word.start_sample <= word.end_sample <= length + 1
        at = word.start_sample
    return [word.text for word in spoken]


@pytest.mark.parametrize("first", [ScriptedVoice(FAILS), Silent()])
@virtual
async def test_one_that_gives_no_sound_is_followed_at_once(first: ScriptedVoice) -> None:
    assert words(await speak(FailoverVoice.of({"first": first, "second": ScriptedVoice()}))) == WORDS
    assert virtual_loop().time() == 0


@virtual
async def test_one_that_hangs_is_followed_when_it_is_late() -> None:
    assert (
        words(await speak(FailoverVoice.of({"first": ScriptedVoice(HANGS), "second": ScriptedVoice()})))
        == WORDS
    )
    assert virtual_loop().time() == pytest.approx(LATE_S)


@pytest.mark.parametrize("conduct", [Conduct(fails=ProviderError, after=2), Conduct(hangs=True, after=2)])
@pytest.mark.parametrize("well", [0, 1, 2])
@virtual
async def test_in_the_middle_the_next_goes_on_with_the_next_word(conduct: Conduct, well: int) -> None:
    first = ScriptedVoice(*[Conduct()] * well, conduct)
    assert words(await speak(FailoverVoice.of({"first": first, "second": ScriptedVoice()}))) == WORDS


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
@virtual
async def test_another_rate_is_brought_to_that_of_the_first(rate_hz: int) -> None:
    voice = FailoverVoice.of({"first": ScriptedVoice(FAILS), "second": ScriptedVoice(rate_hz=rate_hz)})
    speeches = await speak(voice)
    assert words(speeches) == WORDS
    alone = await speak(FailoverVoice.of({"only": ScriptedVoice()}))
    length = [sum(len(speech.samples) for speech in one) for one in (speeches, alone)]
    assert length[0] == pytest.approx(length[1], abs=100)


@virtual
async def test_without_times_the_next_goes_on_with_the_next_piece() -> None:
    second = Wordless()
    speeches = await speak(FailoverVoice.of({"first": Wordless(breaks_in=1), "second": second}))
    assert second.asked == ["Eight nine."]
    begins = [speech.begins for speech in speeches if speech.begins is not None]
    assert begins == [0, len(PIECES[0]), len(PIECES[0]) + len(PIECES[1])]


class Blip(Wordless):
    """Gives less than the shortest word before it breaks off."""

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        yield Speech(np.ones(600, np.int16))
        raise ProviderError("broke off")


@virtual
async def test_what_was_too_short_for_a_word_is_no_word_that_was_heard() -> None:
    second = Wordless()
    await speak(FailoverVoice.of({"first": Blip(), "second": second}))
    assert second.asked == [piece.strip() for piece in PIECES]


class Remote(ScriptedVoice):
    """What it says goes through the hands of two tasks, as what a socket reads does."""

    def __init__(self, tasks: TaskGroup, conduct: Conduct) -> None:
        super().__init__(conduct)
        self._tasks = tasks

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        to_hand, first_hand = anyio.create_memory_object_stream[Speech](9)
        on, second_hand = anyio.create_memory_object_stream[Speech](9)
        self._tasks.start_soon(pass_on, super().stream(text, voice=voice, speed=speed), to_hand)
        self._tasks.start_soon(pass_on, first_hand, on)
        with first_hand, second_hand:
            async for speech in second_hand:
                yield speech


async def pass_on(speeches: AsyncIterable[Speech], to: MemoryObjectSendStream[Speech]) -> None:
    with to:
        async for speech in speeches:
            await to.send(speech)


@pytest.mark.parametrize("held_at_s", [0.5, 1.4, 1.5, 1.6])
@virtual
async def test_a_voice_is_not_late_because_this_process_was_held_up(held_at_s: float) -> None:
    second = ScriptedVoice()
    virtual_loop().call_at(held_at_s, virtual_loop().stand_still, 2 * LATE_S)
    async with anyio.create_task_group() as tasks:
        first = Remote(tasks, Conduct(delay_s=1.5, gap_s=0.1))
        assert words(await speak(FailoverVoice.of({"first": first, "second": second}))) == WORDS
    assert not second.requests


@virtual
async def test_when_all_fail_the_last_error_is_raised_and_nobody_waits() -> None:
    last = ScriptedVoice(Conduct(fails=ProviderRejected))
    async with FailoverVoice.of({"first": ScriptedVoice(FAILS), "last": last}).utterance() as utterance:
        await utterance.push("Hello.")
        with pytest.raises(ProviderRejected):
            await anext(utterance.audio())
        with pytest.raises(ProviderRejected):
            await utterance.push(" Anybody?")


@virtual
async def test_an_error_of_the_block_s_own_leaves_it_as_it_is() -> None:
    with pytest.raises(ProviderError, match="mine"):
        async with FailoverVoice.of({"first": ScriptedVoice(), "second": ScriptedVoice()}).utterance():
            raise ProviderError("mine")


@pytest.mark.parametrize(
    ("heard", "place"),
    [
        (Heard(base=0, begins=0, spoken=0), 0),
        (Heard(base=0, begins=0, spoken=0, samples=1, lasts_s=1.0), 19),
        (Heard(base=0, begins=0, spoken=0, samples=1, lasts_s=0.02), 0),
        (Heard(base=19, begins=19, spoken=35, samples=1, lasts_s=0.02), 19),
        (Heard(base=0, begins=0, spoken=0, samples=1, lasts_s=0.02, words=1), 4),
        (Heard(base=0, begins=0, spoken=19, samples=1, lasts_s=1.0), 19),
        (Heard(base=0, begins=19, spoken=19, samples=1, lasts_s=1.0), 35),
        (Heard(base=0, begins=0, spoken=47, samples=1, lasts_s=1.0), 47),
        (Heard(base=0, begins=0, spoken=0, samples=1, lasts_s=1.0, words=3), 14),
        (Heard(base=14, begins=14, spoken=14, samples=1, lasts_s=1.0, words=1), 20),
        (Heard(base=0, begins=0, spoken=0, samples=1, lasts_s=1.0, words=9), 47),
    ],
)
def test_where_the_next_goes_on(heard: Heard, place: int) -> None:
    assert resume_at(PIECES, heard) == place


async def test_it_is_a_voice() -> None:
    voice = FailoverVoice.of({"first": ScriptedVoice(FAILS), "second": ScriptedVoice()})
    await check_utterances(voice)
    await check_sessions(voice, check_utterances)


@pytest.mark.parametrize("hedge", [False, True])
@virtual
async def test_an_answer_that_is_cancelled_before_its_first_word_ends_quietly(hedge: bool) -> None:
    first, second = ScriptedVoice(), ScriptedVoice()
    async with FailoverVoice.of({"first": first, "second": second}, hedge=hedge).utterance() as utterance:
        await anyio.sleep(1.0)
        utterance.cancel()
        assert [speech async for speech in utterance.audio()] == []


TEXT = "One two three four."


class Noting(ScriptedVoice):
    """Notes which texts it was asked for, and how many of them it is still at."""

    def __init__(self, *script: Conduct) -> None:
        super().__init__(*script)
        self.texts: list[str] = []
        self.open_ones = 0

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        self.texts.append(text)
        self.open_ones += 1
        try:
            async with aclosing(super().stream(text, voice=voice, speed=speed)) as speeches:
                async for speech in speeches:
                    yield speech
        finally:
            self.open_ones -= 1


def hedging(*conducts: Conduct, rival: Conduct) -> tuple[FailoverVoice, Noting, Noting]:
    """A chain of two that hedges, of which the first has answered ten times within 0.3 s."""
    first, second = Noting(*10 * [Conduct(delay_s=0.3)], *conducts), Noting(rival)
    return FailoverVoice.of({"usual": first, "second": second}, hedge=True), first, second


async def say(voice: FailoverVoice, *pieces: str) -> tuple[list[str], float | None]:
    """The words of an answer, and when its first sound came."""
    began, first_s = virtual_loop().time(), None
    speeches = list[Speech]()
    async with voice.utterance() as utterance, anyio.create_task_group() as tasks:

        async def write() -> None:
            for piece in pieces:
                await utterance.push(piece)
            await utterance.finish()

        tasks.start_soon(write)
        async with aclosing(utterance.audio()) as audio:
            async for speech in audio:
                if first_s is None and len(speech.samples):
                    first_s = virtual_loop().time() - began
                speeches.append(speech)
        assert utterance.waiting_chars == 0
    return words(speeches), first_s


@virtual
async def test_the_next_speaks_where_one_is_later_than_it_usually_is() -> None:
    voice, first, second = hedging(Conduct(delay_s=1.5), rival=Conduct(delay_s=0.1))
    for _ in range(10):
        await say(voice, TEXT)
    assert second.texts == []
    notes = list[ProviderCall]()
    hedges = provider_figures()["tts", "second"].hedges if ("tts", "second") in provider_figures() else 0
    with noting(notes):
        spoken, first_s = await say(voice, *PIECES)
    assert spoken == WORDS
    assert first_s == pytest.approx(0.3 + 0.1)
    assert [(call.provider, call.is_hedge) for call in notes] == [("usual", False), ("second", True)]
    assert provider_figures()["tts", "second"].hedges == hedges + 1
    assert " ".join(second.texts).split() == WORDS
    assert (first.open_ones, second.open_ones) == (0, 0)
    assert link_statistics()["tts", "usual"].p95_s == pytest.approx(0.4), "its lateness counts"


@virtual
async def test_a_late_voice_may_still_be_heard_first_and_no_word_is_spoken_twice() -> None:
    voice, first, second = hedging(Conduct(delay_s=0.5), rival=Conduct(delay_s=1.0))
    for _ in range(10):
        await say(voice, TEXT)
    spoken, first_s = await say(voice, *PIECES)
    assert spoken == WORDS
    assert first_s == pytest.approx(0.5)
    assert second.texts == [PIECES[0]]
    assert (first.open_ones, second.open_ones) == (0, 0)


@virtual
@pytest.mark.parametrize(("late", "rival"), [(1.0, FAILS), (1.0, HANGS)])
async def test_where_the_voice_that_was_asked_beside_it_gives_nothing_the_late_one_speaks(
    late: float, rival: Conduct
) -> None:
    voice, _, second = hedging(Conduct(delay_s=late), rival=rival)
    for _ in range(10):
        await say(voice, TEXT)
    spoken, first_s = await say(voice, TEXT)
    assert spoken == WORDS[:4]
    assert first_s == pytest.approx(late)
    assert second.open_ones == 0


@virtual
async def test_a_voice_that_fails_beside_another_is_not_waited_for() -> None:
    late_and_broken = Conduct(delay_s=0.5, fails=ProviderError)
    voice, _, second = hedging(late_and_broken, rival=Conduct(delay_s=0.6))
    for _ in range(10):
        await say(voice, TEXT)
    spoken, first_s = await say(voice, TEXT)
    assert spoken == WORDS[:4]
    assert first_s == pytest.approx(0.3 + 0.6)
    assert second.texts == [TEXT]


@virtual
async def test_the_voice_that_took_over_may_fail_as_well() -> None:
    voice, _, _ = hedging(Conduct(delay_s=1.5), rival=Conduct(delay_s=0.1, fails=ProviderError, after=2))
    for _ in range(10):
        await say(voice, TEXT)
    spoken, _ = await say(voice, TEXT)
    assert spoken[:2] == WORDS[:2]
    assert len(spoken) == len({*spoken})


@virtual
async def test_hedges_of_answers_have_a_budget_and_a_text_that_comes_late_is_not_the_voice_s_fault() -> None:
    voice, _, second = hedging(*40 * [Conduct(delay_s=1.0)], rival=Conduct(delay_s=2.0))
    for _ in range(10):
        await say(voice, TEXT)
    async with voice.utterance() as utterance:
        await anyio.sleep(5.0)
        utterance.cancel()
    assert second.texts == []
    for _ in range(39):
        await say(voice, TEXT)
    assert 1 <= len(second.texts) <= 1 + 50 * 0.1 + 1


@virtual
async def test_who_interrupts_two_voices_silences_both() -> None:
    voice, first, second = hedging(Conduct(delay_s=1.5), rival=Conduct(delay_s=1.5))
    for _ in range(10):
        await say(voice, TEXT)
    with anyio.move_on_after(1.0):
        await say(voice, TEXT)
    assert second.texts == [TEXT]
    assert (first.open_ones, second.open_ones) == (0, 0)


async def test_a_hedged_chain_is_a_voice() -> None:
    voice, _, _ = hedging(rival=Conduct())
    await check_utterances(voice)
    await check_sessions(voice, check_utterances)
