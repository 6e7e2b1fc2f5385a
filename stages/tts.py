"""Speaks an answer while it is being written: a TRANSFORM stage from the agent's tokens to audio chunks.

Theory of operation
-------------------
Three tasks. One reads tokens and cuts them into speakable pieces, so that the agent is held up by a full queue
only, never by the synthesis of the last piece. The second pushes the pieces into the answer's utterance; it
counts how much audio is left to play: when that runs short and the next sentence is still being written, it
pushes what there is of it. So a slow model makes for odd pauses, not for silence, and words before a tool's work
are heard at once. The third hands the audio on as it comes, with the text that begins with it.

The voice is the run's `tts_provider` port, or else the one that the stage was made with.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import anyio

from audio.formats import samples_to_ms
from stageflow.core import StageContext, StageKind, StageOutput
from stageflow.streams import Channel, StreamWriter
from stages.chunks import AudioSink, pcm16
from stages.contract import AGENT, LANGUAGE, ROUTE, ROUTER, SPEED, TTS, VOICE
from stages.errors import ProviderError, ProviderTimeout
from stages.patience import Lateness, failed
from stages.ports import Speech, SpokenUtterance, Synthesiser, UtteranceSynthesiser
from stages.providers.calls import ProviderCall, calling
from stages.providers.piecewise import open_utterance
from stages.spoken_text import SpokenStretch, SpokenText
from stages.text.sentences import Sentences

Voice = Synthesiser | UtteranceSynthesiser

_PAUSE_S = 0.35
"""A writer silent for so long is pausing: longer than tokens of a slow model take, shorter than a listener's
patience."""

_SYNTHESIS_S = 0.25
"""How long before the audio runs out the next piece must be on its way to the voice."""


_IN_LATIN_LETTERS = frozenset(
    (
        "en",
        "es",
        "fr",
        "de",
        "it",
        "pt",
        "nl",
        "sv",
        "da",
        "nb",
        "no",
        "fi",
        "pl",
        "cs",
        "ro",
        "hu",
        "tr",
        "id",
    )
)


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """How an answer is spoken, unless the run's configuration has its own `voice` and `speed`."""

    voice: str | None = None
    speed: float = 1.0
    chunk_timeout_s: float = 5.0
    """How long the voice may take for each stretch of audio."""
    lookahead: int = 8
    """Pieces that may wait for the voice before the agent has to."""
    of_routes: Mapping[str, str] = field(default_factory=dict)
    """The voices of agents by their route, where they differ; the run's configuration goes before them."""
    language: str | None = None
    """What is spoken, numbers and signs included: one of `stages.text.languages.CODES`. If it is not said: the
    voice's only language, or what the words of the answer tell."""


class TtsStage:
    """Speaks the stream of the stage `source` into `send_audio_chunk`, which must be an `AudioSink`.

    Each piece's text goes with its first chunk; text with nothing to say goes with the next audio, or with
    the last call, which has no data and `is_final`. Skips when nobody listens. Output: `audio_ms`, `pieces`.
    """

    name = TTS
    kind = StageKind.TRANSFORM

    def __init__(
        self,
        voice: Voice | None = None,
        settings: VoiceSettings = VoiceSettings(),
        *,
        source: str | Sequence[str] = AGENT,
    ) -> None:
        """Without a `voice`, the run's `tts_provider` port must be given. Of several sources, as of agents that a
        router leads to, each is spoken in turn; those that routing has led past say nothing."""
        self._voice = voice
        self._settings = settings
        self._sources = (source,) if isinstance(source, str) else tuple(source)
        self.reads = self._sources
        """Names of the stages whose stream it speaks."""

    async def execute(self, ctx: StageContext) -> StageOutput:
        """Speak until the stream ends. Ends at once when cancelled, and with it the synthesis."""
        sink: AudioSink | None = ctx.ports.audio.send_audio_chunk
        if sink is None:
            return StageOutput.skip(reason="nobody listens: there is no send_audio_chunk port")
        settings = replace(
            self._settings,
            voice=ctx.config.get(VOICE) or self._voice_of_route(ctx) or self._settings.voice,
            speed=ctx.config.get(SPEED) or self._settings.speed,
            language=ctx.config.get(LANGUAGE) or self._settings.language,
        )
        voice = ctx.ports.audio.tts_provider or self._voice or ctx.require_port("tts_provider")
        tokens = _joined([ctx.inputs.stream(source) for source in self._sources])
        try:
            with calling(voice, at_once=False) as call:
                return await _Speaking(voice, settings, sink, call).run(tokens)
        except ProviderError as error:
            return failed(error)

    def _voice_of_route(self, ctx: StageContext) -> str | None:
        of_routes = self._settings.of_routes
        return of_routes.get(ctx.inputs.get_from(ROUTER, ROUTE, default="")) if of_routes else None


def _languages(voice: Voice) -> frozenset[str]:
    """What the voice tells that it speaks; "*" is any, and so is nothing."""
    languages = getattr(getattr(voice, "capabilities", None), "languages", ("*",))
    return frozenset(tag.split("-")[0] for tag in languages)


def _language_of(voice: Voice, settings: VoiceSettings) -> str | None:
    """What the answer is read in: what is configured, the only language of the voice, or None: its words tell."""
    languages = _languages(voice)
    only = next(iter(languages)) if len(languages) == 1 else "*"
    return settings.language or (None if only == "*" else only)


async def _joined(streams: Sequence[AsyncIterator[str]]) -> AsyncGenerator[str, None]:
    for stream in streams:
        async for token in stream:
            yield token


class _Speaking:
    """One answer on its way to sound."""

    def __init__(self, voice: Voice, settings: VoiceSettings, sink: AudioSink, call: ProviderCall) -> None:
        self._voice = voice
        self._call = call
        self._settings = settings
        self._sink = sink
        self._format = pcm16(voice.rate_hz)
        self._sentences = Sentences()
        self._cut: deque[Sequence[str]] = deque()
        """Pieces that wait for the voice."""
        self._text = SpokenText(
            voice.rate_hz,
            settings.speed,
            _language_of(voice, settings),
            any_script=not _languages(voice) <= _IN_LATIN_LETTERS,
        )
        self._pieces = 0
        self._began_at = 0.0
        self._lateness = Lateness(settings.chunk_timeout_s)
        self._is_waiting = False
        """Whether the next audio is waited for, and none handed on."""

    async def run(self, tokens: AsyncGenerator[str, None]) -> StageOutput:
        voice, settings = self._voice, self._settings
        pieces = Channel(self._cut, settings.lookahead)
        try:
            async with open_utterance(
                voice, name=settings.voice, speed=settings.speed, language=settings.language
            ) as utterance:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._read, tokens, StreamWriter(_channels=(pieces,)))
                    group.start_soon(self._speak, pieces, utterance)
                    await self._hear(utterance)
        except BaseExceptionGroup as several:
            # One of them failed; the others, if they are in there at all, were a consequence.
            first = several.exceptions[0]
            raise first from first.__cause__  # which is in the log, of a stage that the voice reads
        await self._sink(b"", self._format, 0, True, text=self._text.rest())
        if self._pieces and not self._text.samples:
            raise ProviderError("the voice gave no audio for a text with words in it")
        audio_ms = samples_to_ms(self._text.samples, voice.rate_hz)
        return StageOutput.ok(audio_ms=audio_ms, pieces=self._pieces)

    async def _read(self, tokens: AsyncGenerator[str, None], pieces: StreamWriter) -> None:
        async with aclosing(tokens):
            async for token in tokens:
                if complete := self._sentences.push(token):
                    await pieces.send((*complete,))
        await pieces.send((*self._sentences.flush(),))
        pieces.close()

    async def _speak(self, pieces: Channel, utterance: SpokenUtterance) -> None:
        while batch := await self._next(pieces, utterance):
            for piece in batch:
                if spoken := self._text.push(piece):
                    self._count_piece()
                    await utterance.push(spoken)
                    if (
                        not utterance.waiting_chars
                    ):  # all of it has come: from here on the writer is waited for
                        self._lateness.rest()
        if spoken := self._text.finish():
            self._count_piece()
            await utterance.push(spoken)
        await utterance.finish()

    def _count_piece(self) -> None:
        if not self._pieces:
            self._call.begins()
        self._pieces += 1
        if self._is_waiting:
            self._lateness.expect()

    async def _next(self, pieces: Channel, utterance: SpokenUtterance) -> Sequence[str]:
        """The pieces that come next, none after the last; cut short if they keep the listener waiting."""
        while True:
            with anyio.move_on_after(self._spare_s(utterance)):
                try:  # `anext` with a default cannot take it, in Python 3.11
                    found: Sequence[str] = await anext(pieces)
                except StopAsyncIteration:
                    found = ()
                return found
            # What came when the pause had just been long enough goes before what is left.
            if not self._cut and (hurried := self._sentences.hurry()):
                return (hurried,)

    def _spare_s(self, utterance: SpokenUtterance) -> float:
        """How long the next piece may be waited for."""
        if not self._text.samples:
            return _PAUSE_S
        played_s = anyio.current_time() - self._began_at
        coming_s = self._text.samples / self._voice.rate_hz + utterance.waiting_chars * self._text.char_s
        return max(_PAUSE_S, coming_s - played_s - _SYNTHESIS_S)

    async def _hear(self, utterance: SpokenUtterance) -> None:
        """Hand on the audio as it comes. Cancelled, the voice is told at once, and not when all tasks have ended."""
        async with aclosing(utterance.audio()) as speeches:
            try:
                with self._lateness:
                    while speech := await self._patiently(anext(speeches, None), utterance):
                        for stretch in self._text.take(speech):
                            if len(stretch.samples):
                                await self._hand_on(stretch)
                    return
            except anyio.get_cancelled_exc_class():
                utterance.cancel()
                raise
        raise ProviderTimeout(f"the voice gave no audio for {self._settings.chunk_timeout_s:g} s")

    async def _patiently(self, coming: Awaitable[Speech | None], utterance: SpokenUtterance) -> Speech | None:
        """The next audio; it is late only while there is text whose audio has not come."""
        if utterance.waiting_chars:
            self._lateness.expect()
        self._is_waiting = True
        try:
            return await coming
        finally:
            self._is_waiting = False
            self._lateness.rest()

    async def _hand_on(self, stretch: SpokenStretch) -> None:
        if not self._began_at:
            self._began_at = asyncio.get_running_loop().time()
            self._call.first()
        self._call.audio(self._text.samples / self._voice.rate_hz)
        await self._sink(
            stretch.samples.astype("<i2", copy=False).tobytes(),
            self._format,
            samples_to_ms(len(stretch.samples), self._voice.rate_hz),
            False,
            text=stretch.text,
            words=stretch.words,
        )
