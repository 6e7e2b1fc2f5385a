"""The remote recogniser and voice against a tier that does wrong: no turn is lost, no word doubled."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from stages.errors import ProviderRejected
from stages.ports import Expects, Partial, SpeechHints
from stages.providers.remote.stt import RemoteHearing, RemoteRecogniser, RemoteRecogniserSettings
from stages.providers.remote.tts import RemoteVoice, RemoteVoiceSettings
from stages.testing.contracts import check_recogniser
from stages.testing.fakes import ScriptedVoice
from stages.testing.servers.coded import CodedWords
from stages.testing.servers.faults import EVERY_FAULT, NONE, Faults
from stages.testing.servers.line import FakeServer
from stages.testing.servers.serving import serving
from stages.testing.session_contracts import check_sessions, check_utterances
from tests.support.hosted import SENTENCE, hear, outcome, speak
from tests.support.patience import PATIENCE_S, deadline_s
from tests.support.tier import KEY, CodedRecogniser, FakeTier

CODED = CodedWords(SENTENCE)
PIECES = ("Good morning.", " How are you today?", " It is a fine day.")


@asynccontextmanager
async def ears(
    faults: Faults = NONE, key: str = KEY, final_s: float = 3.0
) -> AsyncIterator[tuple[RemoteHearing, FakeServer]]:
    async with serving(FakeTier("stt", CodedRecogniser(CODED)), faults) as server:
        settings = RemoteRecogniserSettings(
            url=server.url, api_key=SecretStr(key), connect_s=1, final_s=final_s
        )
        async with RemoteRecogniser(settings).session() as recogniser:
            yield recogniser, server
        with anyio.fail_after(PATIENCE_S):
            await server.left_alone()


@asynccontextmanager
async def mouth(faults: Faults = NONE, audio_s: float = 3.0) -> AsyncIterator[tuple[Any, FakeServer]]:
    async with serving(FakeTier("tts", ScriptedVoice()), faults) as server:
        settings = RemoteVoiceSettings(url=server.url, api_key=SecretStr(KEY), connect_s=1, audio_s=audio_s)
        async with RemoteVoice(settings).session() as voice:
            yield voice, server


async def test_the_contract_of_a_recogniser() -> None:
    async def check(recogniser: RemoteHearing) -> None:
        await check_recogniser(recogniser, CODED.samples(), SENTENCE)

    async with serving(FakeTier("stt", CodedRecogniser(CODED))) as server:
        settings = RemoteRecogniserSettings(url=server.url, api_key=SecretStr(KEY))
        await check_sessions(RemoteRecogniser(settings), check)


async def test_the_contract_of_a_voice() -> None:
    async with serving(FakeTier("tts", ScriptedVoice())) as server:
        settings = RemoteVoiceSettings(url=server.url, api_key=SecretStr(KEY), voice="low", voices=("high",))
        await check_sessions(RemoteVoice(settings), check_utterances)


async def test_all_of_a_transcript_comes_across() -> None:
    tier = FakeTier("stt", recogniser := CodedRecogniser(CODED))
    partials: list[Partial] = []
    hints = SpeechHints("de", ("Żółć",), "en", Expects.EMAIL)
    async with serving(tier) as server:
        settings = RemoteRecogniserSettings(url=server.url, api_key=SecretStr(KEY))
        async with RemoteRecogniser(settings).session() as ear:
            recognition = ear.open(partials.append, hints=hints)
            recognition.push(CODED.samples())
            there = await recognition.final()
            recognition.close()
    here = recogniser.open()
    here.push(CODED.samples())
    assert there == await here.final()
    assert recogniser.hints[0] == hints
    assert partials[-1] == Partial(SENTENCE, SENTENCE)


STT_OUTCOMES = {
    "refused 401": "ProviderRejected auth",
    "refused 429": "ProviderBusy rate",
    "refused 500": "ProviderError server",
    "refused in band": "ProviderBusy rate",
    "silent": "ProviderTimeout timeout",
    "reset always": "ProviderError network",
    "garbage": "ProviderError protocol",
}
"""Of the faults that cannot be mended; all others end in the whole sentence, each word once."""

UNUSED = {
    "late acknowledgement",
    "double acknowledgement",
    "no acknowledgement",
    "audio after cancel",
    "zero audio",
    "odd pieces",
    "pieces of a byte",
    "pieces of 64 kB",
}
"""Faults of what the tier does not have, or cannot do wrong."""

FAULTS = [name for name in EVERY_FAULT if name not in UNUSED]


@pytest.mark.parametrize("name", FAULTS)
async def test_every_fault_ends_in_the_text_or_in_a_typed_error_in_time(name: str) -> None:
    async with ears(EVERY_FAULT[name], final_s=deadline_s(STT_OUTCOMES.get(name, ""), 3.0)) as (
        recogniser,
        _,
    ):
        with anyio.fail_after(PATIENCE_S):
            assert await outcome(recogniser, CODED) == STT_OUTCOMES.get(name, SENTENCE)


@pytest.mark.parametrize("told", range(1, 6))
async def test_an_utterance_survives_a_connection_wherever_it_is_cut(told: int) -> None:
    """The replica dies after so many messages of its own, in the middle of the words or of the answer."""
    async with ears(Faults(cut_after=told, connections=1)) as (recogniser, server):
        partials: list[Partial] = []
        recognition = recogniser.open(partials.append)
        samples = CODED.samples()
        for at in range(0, len(samples), 320):
            recognition.push(samples[at : at + 320])
            await anyio.sleep(0.001)
        first = await recognition.final()
        recognition.push(CODED.samples("noon here?"))
        again = await recognition.final()
        recognition.close()
        assert (first.text, again.text) == (SENTENCE, f"{SENTENCE} noon here?")
        stable = [partial.stable for partial in partials]
        assert all(later.startswith(early) for early, later in pairwise(stable))
        assert len(server.openings) == 2


async def test_the_wrong_version_and_rate_are_named() -> None:
    async with serving(FakeTier("tts", ScriptedVoice(rate_hz=16_000))) as server:
        settings = RemoteVoiceSettings(url=server.url, api_key=SecretStr(KEY))
        async with RemoteVoice(settings).session() as voice:
            with pytest.raises(ProviderRejected, match=r"set tts.rate_hz = 16000"):
                await speak(voice, *PIECES)


async def test_nobody_there() -> None:
    async with serving(FakeTier("stt", CodedRecogniser(CODED))) as server:
        url = server.url
    settings = RemoteRecogniserSettings(url=url)
    async with RemoteRecogniser(settings).session() as recogniser:
        assert await outcome(recogniser, CODED) == "ProviderError network"


# --- the voice ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", range(1, 24))
async def test_each_word_is_spoken_once_wherever_the_connection_is_cut(told: int) -> None:
    async with mouth(Faults(cut_after=told, connections=1)) as (voice, server):
        speeches = await speak(voice, *PIECES)
        assert [word.text for speech in speeches for word in speech.words] == "".join(PIECES).split()
        at = 0
        for word in [word for speech in speeches for word in speech.words]:
            assert at <= word.start_sample <= word.end_sample
            at = word.start_sample
        assert len(server.openings) <= 2


async def test_an_answer_that_is_cut_off_is_cancelled_at_the_tier() -> None:
    async with mouth() as (voice, server):
        async with voice.utterance() as utterance:
            await utterance.push("A long sentence that is cut short. " * 20)
            await anext(utterance.audio())
            utterance.cancel()
        with anyio.fail_after(PATIENCE_S):
            await server.until(
                lambda server: any((frame.data or {}).get("cancelled") for frame in server.frames)
            )
        assert [word.text for speech in await speak(voice, "Yes.") for word in speech.words] == ["Yes."]
        assert len(server.openings) == 1


async def test_a_sentence_is_heard_after_a_long_one() -> None:
    async with ears() as (recogniser, _):
        for _ in range(2):
            assert (await hear(recogniser, CODED.samples())).text == SENTENCE
