"""The voice speaks while the agent writes: early, in order, without losing a character or falling silent."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import numpy as np
import pytest

from audio.formats import samples_to_ms
from stageflow.context import ContextSnapshot
from stageflow.core import StageContext, StageKind, StageOutput, StageStatus
from stageflow.errors import StageFailed
from stageflow.pipeline import Pipeline, PipelineResults
from stageflow.stages.ports import StagePorts
from stages.errors import ProviderBusy
from stages.ports import Speech, Synthesiser, SynthesiserCapabilities, UtteranceSynthesiser
from stages.testing.fakes import Conduct, ScriptedVoice
from stages.testing.virtual_time import virtual, virtual_loop
from stages.tts import TtsStage, Voice, VoiceSettings
from tests.support.listener import Listener
from tests.support.patience import PATIENCE_S


class Writer:
    """Stands in for the agent: sends its tokens, and waits where the script has an event."""

    name = "agent"
    kind = StageKind.AGENT

    def __init__(self, *script: str | anyio.Event) -> None:
        self.script = script
        self.sent: list[str] = []

    async def execute(self, ctx: StageContext) -> StageOutput:
        for entry in self.script:
            if isinstance(entry, anyio.Event):
                await entry.wait()
                continue
            await ctx.stream.send(entry)
            self.sent.append(entry)
        return StageOutput.ok(text="".join(self.sent))


async def speak(
    writer: Writer,
    listener: Listener,
    voice: Synthesiser | UtteranceSynthesiser | None = None,
    settings: VoiceSettings = VoiceSettings(),
    config: Mapping[str, object] | None = None,
) -> PipelineResults:
    stage = TtsStage(voice or ScriptedVoice(), settings)
    graph = Pipeline().with_stage("agent", writer).with_stage("tts", stage, streams=("agent",)).build()
    with anyio.fail_after(PATIENCE_S):
        return await graph.run(ContextSnapshot(), ports=listener.ports(), config=config)


def tokens(text: str) -> list[str]:
    return [f"{word} " for word in text.split(" ")]


async def test_all_of_the_text_and_all_of_the_audio_arrive_in_order() -> None:
    text = "Of course, I can do that. It takes ten minutes or so. \U0001f389 Anything else?"
    listener = Listener()
    results = await speak(Writer(*tokens(text)), listener)
    assert listener.text == text + " "
    assert listener.pieces == [
        "Of course,",
        " I can do that. It takes ten minutes or so.",
        " \U0001f389 Anything else? ",
    ]
    assert [chunk.is_final for chunk in listener.chunks] == [False] * (len(listener.chunks) - 1) + [True]
    assert (listener.chunks[-1].data, listener.chunks[-1].text) == (b"", "")
    audio_ms = samples_to_ms(len(listener.audio), 24_000)
    assert results.data("tts") == {"audio_ms": audio_ms, "pieces": 3}
    assert {chunk.format for chunk in listener.chunks} == {"pcm16;rate=24000"}


async def test_each_chunk_knows_its_length_and_its_words() -> None:
    listener = Listener()
    await speak(Writer("Good morning."), listener)
    first, second, _ = listener.chunks
    assert [word.text for word in (*first.words, *second.words)] == ["Good", " morning."]
    assert second.words[0].start_sample == first.words[0].end_sample == len(first.data) // 2
    assert first.duration_ms == len(first.data) // 48


async def test_the_words_are_those_of_the_displayed_text() -> None:
    text = "Of course: **20%** \U0001f389 off! \U0001f389 Call 555-123-4567, please. \U0001f389"
    listener = Listener()
    await speak(Writer(*tokens(text)), listener)
    words = [word.text for chunk in listener.chunks for word in chunk.words]
    assert words == [
        "Of", " course:", " **20%**", " \U0001f389 off!", " \U0001f389 Call", " 555-123-4567,", " please.",
    ]  # fmt: skip
    assert listener.chunks[-1].text == " \U0001f389 "


async def test_the_first_clause_is_heard_before_the_sentence_is_written() -> None:
    listener = Listener()
    writer = Writer("Of course,", " ", listener.heard, "I can do that for you.")
    await speak(writer, listener)
    assert listener.pieces == ["Of course,", " I can do that for you."]


class Reluctant:
    """A voice that says its first word when it is let, and counts what it is asked."""

    rate_hz = 24_000
    voices = ()

    def __init__(self) -> None:
        self.let = anyio.Event()
        self.asked: list[str] = []
        self._voice = ScriptedVoice()

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        self.asked.append(text)
        await self.let.wait()
        async for speech in self._voice.stream(text):
            yield speech


@virtual
async def test_the_agent_writes_on_while_a_piece_is_synthesised_but_not_without_end() -> None:
    voice, listener = Reluctant(), Listener()
    writer = Writer(*(f"This is the sentence number {number}! " for number in range(200)))

    async def let_when_settled() -> None:
        before = -1
        while len(writer.sent) != before:
            before = len(writer.sent)
            await anyio.sleep(0.01)
        assert len(voice.asked) == 1
        assert 5 < before < 100, "the writer is held up by the queue, and by nothing before it"
        voice.let.set()

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as group:
            group.start_soon(let_when_settled)
            await speak(writer, listener, voice, VoiceSettings(lookahead=4))
    assert listener.text == "".join(writer.sent)


async def test_words_before_a_pause_are_spoken_without_waiting_for_its_end() -> None:
    class Attentive(Listener):
        async def send_audio_chunk(self, *args: object, **more: object) -> None:
            await super().send_audio_chunk(*args, **more)  # type: ignore[arg-type]  # passed on as they came
            if len(self.pieces) > 1:
                heard_twice.set()

    heard_twice, listener = anyio.Event(), Attentive()
    await speak(
        Writer("Let me see.", listener.heard, " Here it is, and it looks good to m", heard_twice, "e."),
        listener,
    )
    assert listener.pieces == ["Let me see.", " Here it is, and it looks good", " to me."]


@virtual
async def test_a_sentence_that_ends_just_when_the_pause_is_long_enough_goes_before_the_next() -> None:
    class Pausing(Writer):
        async def execute(self, ctx: StageContext) -> StageOutput:
            await ctx.stream.send("And it looks good")
            await anyio.sleep(0.1)
            virtual_loop().stand_still(0.3)  # a long turn, in which both come to be due
            await asyncio.sleep(0)
            await ctx.stream.send(" to me. Now for something else altogether, if you like,")
            await anyio.sleep(1)
            return StageOutput.ok()

    listener = Listener()
    await speak(Pausing(), listener)
    assert listener.text == "And it looks good to me. Now for something else altogether, if you like,"


async def test_a_run_may_choose_voice_and_speed() -> None:
    asked: list[tuple[str | None, float]] = []

    class Noting(ScriptedVoice):
        def stream(
            self, text: str, *, voice: str | None = None, speed: float = 1.0
        ) -> AsyncGenerator[Speech, None]:
            asked.append((voice, speed))
            return super().stream(text, voice=voice, speed=speed)

    settings = VoiceSettings(voice="heart", speed=1.1)
    await speak(Writer("Hello."), Listener(), Noting(), settings)
    await speak(Writer("Hello."), Listener(), Noting(), settings, {"voice": "other", "speed": 0.5})
    assert asked == [("heart", 1.1), ("other", 0.5)]


@pytest.mark.parametrize("script", [(), ("",), (" \n",)])
async def test_nothing_to_say_is_no_failure(script: Sequence[str]) -> None:
    listener = Listener()
    results = await speak(Writer(*script), listener)
    assert results.data("tts") == {"audio_ms": 0, "pieces": 0}
    [chunk] = listener.chunks
    assert (chunk.data, chunk.is_final, chunk.text) == (b"", True, "".join(script))


async def test_without_a_listener_it_skips_and_the_agent_goes_on() -> None:
    writer = Writer(*["word "] * 500)
    stage = TtsStage(ScriptedVoice())
    graph = Pipeline().with_stage("agent", writer).with_stage("tts", stage, streams=("agent",)).build()
    with anyio.fail_after(PATIENCE_S):
        results = await graph.run(ContextSnapshot(), ports=StagePorts())
    assert results["tts"].status is StageStatus.SKIP
    assert len(writer.sent) == 500


# --- when something fails ---------------------------------------------------------------------------------


async def failing(writer: Writer, voice: Voice, **settings: float) -> StageFailed:
    with pytest.raises(StageFailed) as caught:
        await speak(
            writer, Listener(), voice, VoiceSettings(chunk_timeout_s=settings.get("chunk_timeout_s", 10.0))
        )
    return caught.value


async def test_a_failing_voice_is_named() -> None:
    error = await failing(Writer("Hello there."), ScriptedVoice(Conduct(fails=ProviderBusy, after=1)))
    assert (error.stage, error.data["error_type"]) == ("tts", "ProviderBusy")


@virtual
async def test_a_voice_that_hangs_is_given_up() -> None:
    voice = ScriptedVoice(Conduct(hangs=True, after=1))
    error = await failing(Writer("Hello there."), voice, chunk_timeout_s=0.02)
    assert (error.stage, error.data["error_type"]) == ("tts", "ProviderTimeout")
    assert "gave no audio for 0.02 s" in str(error)


async def test_a_voice_without_a_sound_is_a_failure() -> None:
    class Mute:
        rate_hz = 24_000
        voices = ()

        async def stream(
            self, text: str, *, voice: str | None = None, speed: float = 1.0
        ) -> AsyncGenerator[Speech, None]:
            silence: tuple[Speech, ...] = ()
            for speech in silence:
                yield speech

    error = await failing(Writer("Hello there."), Mute())
    assert (error.stage, error.data["error_type"]) == ("tts", "ProviderError")


async def test_a_listener_that_breaks_fails_the_run_with_its_own_error() -> None:
    class Gone(Listener):
        async def send_audio_chunk(self, data: bytes, *rest: object, **more: object) -> None:
            raise ConnectionResetError("gone")

    with pytest.raises(StageFailed) as caught:
        await speak(Writer("Hello there."), Gone())
    assert caught.value.stage == "tts"
    assert isinstance(caught.value.__cause__, ConnectionResetError)


async def test_an_agent_that_fails_is_blamed_itself() -> None:
    class Breaking(Writer):
        async def execute(self, ctx: StageContext) -> StageOutput:
            await super().execute(ctx)
            return StageOutput.fail(error="the model broke", data={"error_type": "ProviderError"})

    listener = Listener()
    with pytest.raises(StageFailed) as caught:
        await speak(Breaking("Hello there. ", listener.heard), listener)
    assert caught.value.stage == "agent"


@virtual
async def test_cancelled_it_is_silent_at_once() -> None:
    listener = Listener()
    voice = ScriptedVoice(Conduct(gap_s=0.005))
    async with anyio.create_task_group() as group:
        group.start_soon(speak, Writer("One two three four five six seven eight nine ten."), listener, voice)
        await listener.heard.wait()
        began = anyio.current_time()
        group.cancel_scope.cancel()
    assert anyio.current_time() == began, "nothing is waited for"
    assert 0 < len(listener.chunks) < 10


class Streaming:
    """A voice that opens utterances: all text goes to one, and audio comes whenever it likes."""

    rate_hz = 24_000
    voices = ()

    def __init__(self, *, mute: bool = False) -> None:
        self.pushed: list[str] = []
        self.opened = 0
        self.cancelled = 0
        self._mute = mute

    @asynccontextmanager
    async def utterance(
        self, *, voice: str | None = None, speed: float = 1.0, language: str | None = None
    ) -> AsyncGenerator["StreamingUtterance", None]:
        self.opened += 1
        utterance = StreamingUtterance(self, mute=self._mute)
        try:
            yield utterance
        finally:
            utterance.cancel()


class StreamingUtterance:
    def __init__(self, owner: Streaming, *, mute: bool) -> None:
        self._owner = owner
        self._mute = mute
        self._send, self._receive = anyio.create_memory_object_stream[str](100)
        self.waiting_chars = 0

    async def push(self, text: str) -> None:
        self._owner.pushed.append(text)
        self.waiting_chars += len(text)
        await self._send.send(text)

    async def finish(self) -> None:
        self._send.close()

    def cancel(self) -> None:
        self._owner.cancelled += 1
        self._send.close()
        self._receive.close()

    async def audio(self) -> AsyncGenerator[Speech, None]:
        spoken = 0
        async for text in self._receive:
            if self._mute:
                await anyio.sleep_forever()
            yield Speech(np.full(2400, 1000, np.int16), begins=spoken)
            spoken += len(text)
            self.waiting_chars -= len(text)


async def test_a_voice_that_opens_utterances_is_given_the_whole_answer_in_one() -> None:
    listener, voice = Listener(), Streaming()
    await speak(Writer(*tokens("Of course, I can do that. It takes ten minutes.")), listener, voice)
    assert (voice.opened, voice.cancelled) == (1, 1)
    assert "".join(voice.pushed) == "Of course, I can do that. It takes ten minutes."
    assert listener.pieces[:2] == ["Of course,", " I can do that. It takes ten minutes."]
    assert listener.text == "Of course, I can do that. It takes ten minutes. "


@virtual
async def test_an_utterance_that_gives_no_audio_is_late_and_is_cancelled() -> None:
    voice = Streaming(mute=True)
    with pytest.raises(StageFailed, match=r"gave no audio for 0\.05 s"):
        await speak(Writer("Of course."), Listener(), voice, VoiceSettings(chunk_timeout_s=0.05))
    assert voice.cancelled == 1


async def test_the_voice_of_the_run_comes_before_the_voice_of_the_stage() -> None:
    listener, voice = Listener(), Streaming()
    stage = TtsStage(ScriptedVoice())
    graph = (
        Pipeline().with_stage("agent", Writer("Yes.")).with_stage("tts", stage, streams=("agent",)).build()
    )
    ports = listener.ports()
    ports = StagePorts(core=ports.core, llm=ports.llm, audio=replace(ports.audio, tts_provider=voice))
    with anyio.fail_after(PATIENCE_S):
        await graph.run(ContextSnapshot(), ports=ports)
    assert voice.pushed == ["Yes."]


# --- text that a voice cannot say ---


@pytest.mark.parametrize(
    ("shown", "spoken"),
    [("\U0001f389\U0001f389", "party popper"), ("\U0001f44d", "thumbs up"), ("\n\u2764\ufe0f ", "a heart")],
)
async def test_an_answer_of_emoji_alone_is_named(shown: str, spoken: str) -> None:
    listener, voice = Listener(), Streaming()
    await speak(Writer(*shown), listener, voice)
    assert voice.pushed == [spoken]
    assert listener.text == shown


class English(Streaming):
    capabilities = SynthesiserCapabilities(languages=("en",))


@pytest.mark.parametrize(
    "shown", ["...", "\u2014", "***", "(?)", "\u4f60\u597d\u3002", "\u041f\u0440\u0438\u0432\u0435\u0442!"]
)
async def test_an_answer_without_a_word_for_the_voice_is_a_failure(shown: str) -> None:
    voice = English()
    error = await failing(Writer(shown), voice)
    assert (error.stage, error.data["error_type"]) == ("tts", "UnspeakableText")
    assert "the voice cannot say this" in str(error)
    assert voice.pushed == []


async def test_words_in_another_script_are_told_not_spelt_and_not_passed_over() -> None:
    listener, voice = Listener(), English()
    await speak(Writer("\u041f\u0440\u0438\u0432\u0435\u0442! ", "That is hello."), listener, voice)
    assert "".join(voice.pushed) == "something in Cyrillic ! That is hello.".replace(" !", "!")
    assert listener.text.strip() == "\u041f\u0440\u0438\u0432\u0435\u0442! That is hello."


async def test_a_voice_for_all_languages_is_given_all_scripts() -> None:
    voice = Streaming()
    await speak(Writer("\u041f\u0440\u0438\u0432\u0435\u0442!"), Listener(), voice)
    assert voice.pushed == ["\u041f\u0440\u0438\u0432\u0435\u0442!"]
