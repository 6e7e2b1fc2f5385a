"""What one run of the pipeline sends to the client: its tokens and its speech, into one output.

Bound to its output: a stage that outlives its run speaks to nobody.
"""

from typing import Protocol

from audio.codecs import encode
from audio.resample import Resampler
from server.conversation.heard import grow
from server.conversation.memory import Entry
from server.domain.events import ResponseText
from server.output.stream import OutputStream, StreamState
from server.response.context import ResponseContext
from server.response.events import ResponseEvents
from server.response.prepared import Prepared, on_wire
from server.response.run_limits import RunLimits
from server.telemetry.timeline import Timeline
from stages.chunks import decode_chunk
from stages.ports import WordTime


class Messages(Protocol):
    """Knows the message that is being said."""

    def begin_message(self) -> Entry:
        """The message; made with its first token or sample."""


class Delivery:
    """Sends the tokens and the speech of one run into one output."""

    def __init__(
        self,
        output: OutputStream,
        events: ResponseEvents,
        messages: Messages,
        timeline: Timeline,
        limits: RunLimits,
        context: ResponseContext,
    ) -> None:
        self.output = output
        self._events = events
        self._messages = messages
        self._timeline = timeline
        self._limits = limits
        self._context = context
        self._resampler: Resampler | None = None
        self._voice_hz = 0

    async def send_token(self, token: str) -> None:
        """Take the next piece of the answer's text."""
        await self._context.outbound.share.step()
        if token and self.output.state is not StreamState.SHUT:
            now = self._context.now()
            self._timeline.mark("first_token", now)
            self._context.inbox.alive(self._timeline.run, now)
            self._limits.lives(now)
            entry = self._messages.begin_message()
            entry.generated += token
            if not entry.spoken:
                await self.output.event(ResponseText(self._events.response, entry.id, token))
            elif self._events.shown.is_loose:
                self._events.shown.loosen(token)

    async def send_audio_chunk(
        self,
        data: bytes,
        format: str,
        duration_ms: int,
        is_final: bool,
        *,
        text: str = "",
        words: tuple[WordTime, ...] = (),
    ) -> None:
        """Take speech, as `stages.chunks.AudioSink` has it."""
        await self._context.outbound.share.step()
        if self.output.state is StreamState.SHUT:
            return
        samples, rate_hz = decode_chunk(data, format)
        if not len(samples) and self._events.entry is None:
            return  # the end of speech that has not begun
        entry = self._messages.begin_message()
        wire = self._voice_at(rate_hz).process(samples, last=is_final)
        times = tuple(_at_rate(word, rate_hz, entry.rate_hz) for word in words)
        told = grow(self._events.pieces, len(wire), text=text, words=times, is_final=is_final)
        self._show(text, told, is_timed=bool(words), is_heard=bool(len(wire)))
        await self.output.audio(
            self._events.response, entry.id, encode(wire, self._events.response.config.output_format), told
        )
        self._limits.spoke(len(samples) / rate_hz)

    def say_now(self, prepared: Prepared) -> None:
        """Have the message, of which nothing has a sound yet, begin with a sentence that is spoken already."""
        events, entry = self._events, self._messages.begin_message()
        samples, chunks = on_wire(prepared, events.response.config.output_format)
        text = f"{prepared.text} "
        entry.generated = text + entry.generated
        told = grow(events.pieces, samples, text=text)
        self._show(text, told, is_timed=False, is_heard=True)
        for chunk in chunks:
            self.output.audio_nowait(events.response, entry.id, chunk)

    def _show(self, text: str, words: tuple[WordTime, ...], *, is_timed: bool, is_heard: bool) -> None:
        shown, pieces = self._events.shown, self._events.pieces
        self.output.shown = shown
        if text:
            shown.begin(text, pieces[-1].start_sample)
        shown.place(words, is_timed=is_timed)
        if is_heard and not pieces and not shown.is_loose and self._events.entry is not None:
            shown.loosen(self._events.entry.generated)

    async def say(self, prepared: Prepared) -> None:
        """Take a sentence that is spoken already."""
        await self.send_token(prepared.text)
        audio = (prepared.data, prepared.format, prepared.duration_ms, False)
        await self.send_audio_chunk(*audio, text=prepared.text, words=prepared.words)
        await self.send_audio_chunk(b"", prepared.format, 0, True)

    def _voice_at(self, rate_hz: int) -> Resampler:
        if self._resampler is None or self._voice_hz != rate_hz:
            self._voice_hz = rate_hz
            self._resampler = Resampler(rate_hz, self._events.response.config.output_format.rate_hz)
        return self._resampler


def _at_rate(word: WordTime, from_hz: int, to_hz: int) -> WordTime:
    return WordTime(word.text, word.start_sample * to_hz // from_hz, word.end_sample * to_hz // from_hz)
