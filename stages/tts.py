"""Speaks an answer while it is being written: a TRANSFORM stage from the agent's tokens to audio chunks.

Theory of operation
-------------------
Two tasks and a short queue between them. One reads tokens and cuts them into speakable pieces, so that the
agent is held up by a full queue only, never by the synthesis of the last piece. The other has the pieces
synthesised one after the other and hands the audio on as it comes. It counts how much of that is left to
play: when it runs short and the next sentence is still being written, it speaks what there is of it. So a
slow model makes for odd pauses, not for silence, and words before a tool's work are heard at once.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from audio.formats import samples_to_ms
from stageflow.core import StageContext, StageKind, StageOutput
from stages.chunks import AudioSink, pcm16
from stages.errors import ProviderError
from stages.patience import failed, within
from stages.ports import Speech, Synthesiser
from stages.text.sentences import Sentences
from stages.text.speakable import speakable
from stages.text.word_times import ShownTimes

_PAUSE_S = 0.35
"""A writer silent for so long is pausing: longer than tokens of a slow model take, shorter than a listener's
patience."""

_SYNTHESIS_S = 0.25
"""How long before the audio runs out the next piece must be on its way to the voice."""


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """How an answer is spoken, unless the run's configuration has its own `voice` and `speed`."""

    voice: str | None = None
    speed: float = 1.0
    chunk_timeout_s: float = 10.0
    """How long the voice may take for each stretch of audio."""
    lookahead: int = 8
    """Pieces that may wait for the voice before the agent has to."""


class TtsStage:
    """Speaks the stream of the stage `agent` into `send_audio_chunk`, which must be an `AudioSink`.

    Each piece's text goes with its first chunk; text with nothing to say goes with the next audio, or with
    the last call, which has no data and `is_final`. Skips when nobody listens. Output: `audio_ms`, `pieces`.
    """

    name = "tts"
    kind = StageKind.TRANSFORM

    def __init__(self, voice: Synthesiser, settings: VoiceSettings = VoiceSettings()) -> None:
        self._voice = voice
        self._settings = settings

    async def execute(self, ctx: StageContext) -> StageOutput:
        """Speak until the stream ends. Ends at once when cancelled, and with it the synthesis."""
        sink: AudioSink | None = ctx.ports.audio.send_audio_chunk
        if sink is None:
            return StageOutput.skip(reason="nobody listens: there is no send_audio_chunk port")
        settings = VoiceSettings(
            ctx.config.get("voice") or self._settings.voice,
            ctx.config.get("speed") or self._settings.speed,
            self._settings.chunk_timeout_s,
            self._settings.lookahead,
        )
        speaking = _Speaking(self._voice, settings, sink)
        try:
            return await speaking.run(ctx.inputs.stream("agent"))
        except ProviderError as error:
            return failed(error)


class _Speaking:
    """One answer on its way to sound."""

    def __init__(self, voice: Synthesiser, settings: VoiceSettings, sink: AudioSink) -> None:
        self._voice = voice
        self._settings = settings
        self._sink = sink
        self._format = pcm16(voice.rate_hz)
        self._sentences = Sentences()
        self._unheard = ""  # displayed text that no chunk has carried yet
        self._pieces = 0
        self._samples = 0
        self._began_at = 0.0

    async def run(self, tokens: AsyncIterator[str]) -> StageOutput:
        send, receive = anyio.create_memory_object_stream[list[str]](self._settings.lookahead)
        try:
            with send, receive:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._read, tokens, send)
                    await self._speak(receive)
        except BaseExceptionGroup as both:
            # One of the two failed; the other, if it is in there at all, was a consequence.
            raise both.exceptions[0] from None
        await self._sink(b"", self._format, 0, True, text=self._unheard)
        if self._pieces and not self._samples:
            raise ProviderError("the voice gave no audio for a text with words in it")
        return StageOutput.ok(audio_ms=samples_to_ms(self._samples, self._voice.rate_hz), pieces=self._pieces)

    async def _read(self, tokens: AsyncIterator[str], pieces: MemoryObjectSendStream[list[str]]) -> None:
        with pieces:
            async for token in tokens:
                if complete := self._sentences.push(token):
                    await pieces.send(complete)
            await pieces.send(self._sentences.flush())

    async def _speak(self, pieces: MemoryObjectReceiveStream[list[str]]) -> None:
        while batch := await self._next(pieces):
            for piece in batch:
                await self._say(piece)

    async def _next(self, pieces: MemoryObjectReceiveStream[list[str]]) -> list[str]:
        """The pieces that come next, none after the last; cut short if they keep the listener waiting."""
        while True:
            with anyio.move_on_after(self._spare_s()):
                try:
                    return await pieces.receive()
                except anyio.EndOfStream:
                    return []
            if hurried := self._sentences.hurry():
                return [hurried]

    def _spare_s(self) -> float:
        """How long the next piece may be waited for."""
        if not self._samples:
            return _PAUSE_S
        played_s = anyio.current_time() - self._began_at
        return max(_PAUSE_S, self._samples / self._voice.rate_hz - played_s - _SYNTHESIS_S)

    async def _say(self, piece: str) -> None:
        before, spoken = self._unheard, speakable(piece)
        self._unheard += piece
        if not spoken:
            return
        self._pieces += 1
        times = ShownTimes(piece, before)
        limit_s = self._settings.chunk_timeout_s
        late = f"the voice gave no audio for {limit_s:g} s"
        stream = self._voice.stream(spoken, voice=self._settings.voice, speed=self._settings.speed)
        async with aclosing(stream) as speeches:
            while speech := await within(limit_s, late, anext(speeches, None)):
                await self._hand_on(speech, times)

    async def _hand_on(self, speech: Speech, times: ShownTimes) -> None:
        if not len(speech.samples):
            return
        if not self._samples:
            self._began_at = anyio.current_time()
        self._samples += len(speech.samples)
        text, self._unheard = self._unheard, ""
        await self._sink(
            speech.samples.astype("<i2", copy=False).tobytes(),
            self._format,
            samples_to_ms(len(speech.samples), self._voice.rate_hz),
            False,
            text=text,
            words=times.take(speech.words),
        )
