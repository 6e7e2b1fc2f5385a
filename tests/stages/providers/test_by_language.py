"""Voices of several languages: which of them speaks a text, and the embedded ones as one."""

from collections.abc import AsyncGenerator, Sequence

import anyio
import anyio.to_thread
import numpy as np
import pytest

from server.config.languages import PHRASES
from stages.ports import Speech, SynthesiserCapabilities, VoiceOption, WordTime
from stages.providers.by_language import LanguageVoices, LanguageVoicesSettings
from stages.providers.piecewise import open_utterance, voice_for
from stages.testing.contracts import check_synthesiser


class Speaker:
    """Speaks a tenth of a second, and notes as whom."""

    def __init__(self, name: str, rate_hz: int, said: list[tuple[str | None, str]]) -> None:
        self.rate_hz = rate_hz
        self.voices = (VoiceOption(name, "a voice"),)
        self.capabilities = SynthesiserCapabilities()
        self._said = said

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        self._said.append((voice, text))
        samples = self.rate_hz // 10
        yield Speech(np.full(samples, 1_000, np.int16), (WordTime(text.split()[0], 0, samples),))


async def spoken(voice: LanguageVoices, pieces: Sequence[str], **how: str | None) -> list[Speech]:
    found = list[Speech]()

    async def push() -> None:
        for piece in pieces:
            await utterance.push(piece)
        await utterance.finish()

    async with open_utterance(voice, **how) as utterance, anyio.create_task_group() as group:  # type: ignore[arg-type]
        group.start_soon(push)
        found = [speech async for speech in utterance.audio()]
    return found


def two(said: list[tuple[str | None, str]]) -> LanguageVoices:
    return LanguageVoices({"en": Speaker("heart", 24_000, said), "es": Speaker("es-ES", 16_000, said)})


@pytest.mark.parametrize(
    ("name", "language", "speaks"),
    [(None, "es", "es-ES"), ("heart", "es", "es-ES"), ("heart", "en", "heart"), (None, None, "heart"),
     ("es-ES", None, "es-ES")],
)  # fmt: skip
async def test_the_voice_of_the_language_speaks(name: str | None, language: str | None, speaks: str) -> None:
    said = list[tuple[str | None, str]]()
    await spoken(two(said), ["42."], name=name, language=language)
    assert said == [(speaks, "42.")]


async def test_where_the_language_is_not_known_the_words_tell() -> None:
    said = list[tuple[str | None, str]]()
    await spoken(two(said), ["La mesa es para dos. ", "42. ", "The table is for you."])
    assert [voice for voice, _ in said] == ["es-ES", "es-ES", "heart"]


async def test_all_speak_at_one_rate() -> None:
    voice = two([])
    assert voice.rate_hz == 24_000
    speeches = await spoken(voice, ["Hola."], language="es")
    assert sum(len(speech.samples) for speech in speeches) == 2_400
    (word,) = (word for speech in speeches for word in speech.words)
    assert (word.start_sample, word.end_sample) == (0, 2_400)


def test_a_voice_of_one_language_keeps_its_name() -> None:
    assert voice_for(Speaker("heart", 24_000, []), "anybody", "es") == "anybody"


@pytest.mark.parametrize("code", list(PHRASES))
async def test_what_the_server_says_by_itself_is_spoken_in_its_language(code: str) -> None:
    said = list[tuple[str | None, str]]()
    every = {other: Speaker(other, 16_000, said) for other in PHRASES}
    phrases = PHRASES[code]
    for text in (phrases.apology, phrases.filler, phrases.refusal):
        await spoken(LanguageVoices(every), [text])
    assert {voice for voice, _ in said} == {code}


@pytest.mark.models
async def test_the_embedded_voices_keep_the_contract_as_one() -> None:
    pytest.importorskip(
        "py_nanotts", reason="THE VOICES OF OTHER LANGUAGES WERE NOT TESTED: scripts/setup dev"
    )
    settings = LanguageVoicesSettings(language=("en", "es", "fr"))
    voice = await anyio.to_thread.run_sync(LanguageVoices.from_settings, settings)
    try:
        assert [option.name for option in voice.voices] == ["heart", "es-ES", "fr-FR"]
        await check_synthesiser(voice)
    finally:
        await anyio.to_thread.run_sync(voice.close)
