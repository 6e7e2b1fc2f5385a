"""The next voice goes on where the first stopped: at a word whose like has not been heard, and none twice."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
import numpy as np
import pytest

from stages.errors import ProviderError, ProviderRejected
from stages.ports import Speech, SynthesiserCapabilities, VoiceOption
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
        (Heard(base=0, begins=0, spoken=0, samples=1), 19),
        (Heard(base=0, begins=0, spoken=19, samples=1), 19),
        (Heard(base=0, begins=19, spoken=19, samples=1), 35),
        (Heard(base=0, begins=0, spoken=47, samples=1), 47),
        (Heard(base=0, begins=0, spoken=0, samples=1, words=3), 14),
        (Heard(base=14, begins=14, spoken=14, samples=1, words=1), 20),
        (Heard(base=0, begins=0, spoken=0, samples=1, words=9), 47),
    ],
)
def test_where_the_next_goes_on(heard: Heard, place: int) -> None:
    assert resume_at(PIECES, heard) == place


async def test_it_is_a_voice() -> None:
    voice = FailoverVoice.of({"first": ScriptedVoice(FAILS), "second": ScriptedVoice()})
    await check_utterances(voice)
    await check_sessions(voice, check_utterances)
