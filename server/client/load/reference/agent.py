"""The reference agent: answers after exactly so long, stops after exactly so long, and leaves gaps of exactly so long.

Pure. It speaks `voice.v1`, takes every sample's time from when its frame came, and says when it wants to send. What the
client measures of it is compared with what it was told to do: that gives the error of every figure.
"""

import heapq
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Any

import numpy as np

from audio.formats import Samples
from audio.marks import words_of
from server.client.load.reference.reference_voice import speak
from server.client.load.wire import Wire
from server.dialects.voice.frames import Stream, pack_frame, unpack_frame

RATE_HZ = 24_000
FRAME_MS = 20
FRAME_SAMPLES = RATE_HZ * FRAME_MS // 1000
_TONE_HZ = 400


@dataclass(frozen=True, slots=True)
class Conduct:
    """What the agent does, to the millisecond; the faults are what a bad agent does."""

    answer_after_ms: float = 500.0
    """From the last voiced sample to the first of the answer."""
    answer_ms: int = 2_000
    lead_ms: int = 200
    """How far ahead of what is played it sends."""
    end_silence_ms: float = 300.0
    """Silence that ends a turn."""
    stop_after_ms: float | None = 400.0
    """From the first voiced sample of an interruption to silence; None: it never stops."""
    ignores_ms: float = 250.0
    """Voice shorter than this is no interruption."""
    hears_above: int = 1_000
    """Samples louder than this are voice."""
    says: tuple[str, ...] = ()
    """The words of each answer, marked; without any it is a tone of `answer_ms`."""
    echoes: bool = False
    """What was written is the answer, its words marked."""
    # --- faults
    lost_word: int | None = None
    """The word of this place is left out; so with the others."""
    doubled_word: int | None = None
    cut_word: int | None = None
    leading_silence_ms: int = 0
    gaps: tuple[tuple[int, int], ...] = ()
    """At which ms of an answer nothing comes, and for how long it is silent."""
    answers: bool = True
    extra_after_ms: float | None = None
    """So long after an answer comes another."""
    early_after_ms: float | None = None
    """It answers so long after the person has begun."""
    lost_ms: int = 0
    """So much of the middle of each answer is left out."""
    doubled_ms: int = 0
    """So much of it is said twice."""
    loudness: int = 8_000
    pace: float = 1.0
    """How fast it sends, beyond its lead: less than 1 is slower than it is played."""
    complains: str = ""
    """An error event with each answer."""
    speaks_nonsense: bool = False
    """A message that is no JSON with each answer."""
    hangs_up_after_answers: int | None = None
    calls_tool: str | None = None
    """It wants this tool called before each answer."""
    resumes: bool = False
    """Its sessions outlive their connections."""
    missed_frames: int = 0
    """So many frames are left out when a caller comes back; less than 0, so many come again."""
    tail_after_flush_ms: int = 0
    """So much more of an answer that was flushed, as if it were new."""


class _Outbox:
    """The messages that wait to be sent, in the order of time."""

    def __init__(self, *, keeps_sent: bool) -> None:
        self._queue: list[tuple[float, int, Wire]] = []
        self._number = count()
        self._sent: list[Wire] = []
        self._keeps_sent = keeps_sent

    def put(self, at_s: float, message: Wire) -> None:
        heapq.heappush(self._queue, (at_s, next(self._number), message))

    def due_s(self) -> float | None:
        return self._queue[0][0] if self._queue else None

    def take(self, now_s: float) -> list[Wire]:
        due: list[Wire] = []
        while self._queue and self._queue[0][0] <= now_s + 1e-9:
            due.append(heapq.heappop(self._queue)[2])
        if self._keeps_sent:
            self._sent += due
        return due

    def drop_from(self, at_s: float) -> None:
        self._queue = [entry for entry in self._queue if entry[0] < at_s]
        heapq.heapify(self._queue)

    def missed(self, seq: int, *, leaves_out: int) -> list[Wire]:
        """What was sent after so many frames; of it, and of what is to be sent, so many frames are left out."""
        untold = max(0, leaves_out - len(self._sent[seq:]))
        self._queue = heapq.nsmallest(len(self._queue), self._queue)[untold:]
        return self._sent[seq + leaves_out :]


class ReferenceAgent:
    """The reference agent in one session."""

    def __init__(self, conduct: Conduct) -> None:
        self._conduct = conduct
        self._outbox = _Outbox(keeps_sent=conduct.resumes)
        self._epoch = 0
        self._voice_began_s: float | None = None
        self._last_voiced_s: float | None = None
        self._answered = 0
        self._answer_ends_s = -1.0
        self._answer = _make_answer(conduct, conduct.says)
        self._heard_events = 0
        self._heard_samples = 0
        if conduct.resumes:
            self._outbox.put(0.0, _event("session.created", x_resume={"token": "token", "grace_ms": 30_000}))
        self.hangs_up = False
        """Whether the connection is to be broken."""

    def due_s(self) -> float | None:
        """When it wants to send next."""
        return self._outbox.due_s()

    def send(self, now_s: float) -> Sequence[Wire]:
        """The messages that are due now."""
        due = self._outbox.take(now_s)
        last = self._conduct.hangs_up_after_answers
        self.hangs_up = last is not None and self._answered >= last and self._outbox.due_s() is None
        return due

    def take(self, message: Wire, now_s: float) -> None:
        """Take a message of the caller's, which has come now."""
        if isinstance(message, str):
            self._heard_events += 1
            self._obey(json.loads(message), now_s)
            return
        samples = np.frombuffer(unpack_frame(message).data, "<i2")
        self._heard_samples += len(samples)
        loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > self._conduct.hears_above)
        began_s = now_s - len(samples) / RATE_HZ
        if len(loud):
            if self._voice_began_s is None:
                self._begin(began_s + int(loud[0]) / RATE_HZ)
            self._last_voiced_s = began_s + (int(loud[-1]) + 1) / RATE_HZ
        self._judge(now_s)

    def _obey(self, event: dict[str, Any], now_s: float) -> None:
        match event:
            case {"type": "conversation.item.create", "item": {"content": [{"text": str(text)}]}}:
                self._answer = (
                    _make_answer(self._conduct, words_of(text)) if self._conduct.echoes else self._answer
                )
            case {"type": "response.create"}:
                self._say(now_s + self._conduct.answer_after_ms / 1000)

    def resume(self, seq: int) -> Sequence[Wire]:
        """A caller is back that has got so many frames: what it has missed."""
        told = {"received_events": self._heard_events, "microphone_offset": self._heard_samples}
        way_back = {"token": "token", "grace_ms": 30_000}
        missed = self._outbox.missed(seq, leaves_out=self._conduct.missed_frames)
        return (_event("x_resumed", resume=way_back, **told), *missed)

    def _begin(self, onset_s: float) -> None:
        self._voice_began_s = onset_s
        if self._conduct.early_after_ms is not None:
            self._say(onset_s + self._conduct.early_after_ms / 1000)

    def _judge(self, now_s: float) -> None:
        """Whether the person interrupts, or has ended."""
        began_s, ended_s, conduct = self._voice_began_s, self._last_voiced_s, self._conduct
        if began_s is None or ended_s is None:
            return
        speaks = began_s < self._answer_ends_s
        is_long = ended_s - began_s >= conduct.ignores_ms / 1000
        if speaks and is_long and conduct.stop_after_ms is not None:
            self._stop(began_s + conduct.stop_after_ms / 1000)
            speaks = False
        if now_s - ended_s >= conduct.end_silence_ms / 1000:
            self._voice_began_s = self._last_voiced_s = None
            if not speaks and conduct.answers and conduct.early_after_ms is None:
                self._answer_or_call(ended_s + conduct.answer_after_ms / 1000)

    def _stop(self, at_s: float) -> None:
        """Whatever was to come after that does not."""
        self._outbox.drop_from(at_s)
        self._epoch += 1
        self._answer_ends_s = -1.0
        self._outbox.put(at_s, _event("x_flush", epoch=self._epoch))
        self._outbox.put(at_s, _event("response.done", response={"status": "cancelled"}))
        tail = self._conduct.tail_after_flush_ms * RATE_HZ // 1000
        if tail:
            self._put_audio(at_s, self._answer[:tail], 0)
            self._outbox.put(at_s, _event("response.done", response={"status": "cancelled"}))

    # --- its answers ------------------------------------------------------------------------------------------------

    def _answer_or_call(self, at_s: float) -> None:
        if self._conduct.calls_tool is None:
            self._say(at_s)
            return
        call = {"call_id": "call", "name": self._conduct.calls_tool, "arguments": "{}"}
        self._outbox.put(at_s, _event("response.function_call_arguments.done", **call))
        self._outbox.put(at_s, _event("response.done", response={"status": "completed"}))

    def _say(self, at_s: float) -> None:
        conduct, self._answered = self._conduct, self._answered + 1
        if conduct.complains:
            self._outbox.put(at_s, _event("error", error={"message": conduct.complains}))
        if conduct.speaks_nonsense:
            self._outbox.put(at_s, "{not JSON")
        ends_s = self._say_once(at_s)
        if conduct.extra_after_ms is not None:
            ends_s = self._say_once(ends_s + conduct.extra_after_ms / 1000)
        self._answer_ends_s = ends_s

    def _say_once(self, at_s: float) -> float:
        """One answer. Tells when its last sample is heard."""
        self._outbox.put(
            at_s,
            _event("response.output_item.added", item={"type": "message", "id": f"item_{self._answered}"}),
        )
        last_s, late_ms = at_s, 0
        for start_ms, stop_ms in _stretches(len(self._answer), [at for at, _ in self._conduct.gaps]):
            last_s = at_s + (start_ms + late_ms) / 1000
            piece = self._answer[start_ms * RATE_HZ // 1000 : stop_ms * RATE_HZ // 1000]
            last_s = self._put_audio(last_s, piece, start_ms * RATE_HZ // 1000)
            late_ms += sum(ms for at, ms in self._conduct.gaps if at == stop_ms)
        self._outbox.put(last_s, _event("response.output_audio.done"))
        self._outbox.put(last_s, _event("response.done", response={"status": "completed"}))
        return at_s + len(self._answer) / RATE_HZ + late_ms / 1000

    def _put_audio(self, at_s: float, samples: Samples, offset: int) -> float:
        """Frames of it: at once as far as the lead goes, and then in time. Tells when the last is sent."""
        due_s, conduct = at_s, self._conduct
        for start in range(0, len(samples), FRAME_SAMPLES):
            ahead_ms = start * 1000 / RATE_HZ - conduct.lead_ms
            due_s = at_s + max(0.0, ahead_ms) / 1000 / conduct.pace
            data = samples[start : start + FRAME_SAMPLES].astype("<i2").tobytes()
            self._outbox.put(due_s, pack_frame(Stream.ANSWER, self._epoch, offset + start, data))
        return due_s


def tone(ms: int, loudness: int = 8_000) -> Samples:
    """A square-like tone without a silent sample, `int16[n]` at 24 kHz."""
    times = np.arange(ms * RATE_HZ // 1000)
    half = RATE_HZ // _TONE_HZ // 2
    return np.where(times // half % 2 == 0, loudness, -loudness).astype(np.int16)


def _make_answer(conduct: Conduct, words: Sequence[str]) -> Samples:
    if words:
        lost_word, doubled_word, cut_word = conduct.lost_word, conduct.doubled_word, conduct.cut_word
        return speak(words, RATE_HZ, conduct.loudness, lost=lost_word, doubled=doubled_word, cut=cut_word)
    wave = tone(conduct.answer_ms, conduct.loudness)
    middle = len(wave) // 2
    lost, doubled = (ms * RATE_HZ // 1000 for ms in (conduct.lost_ms, conduct.doubled_ms))
    parts = [
        np.zeros(conduct.leading_silence_ms * RATE_HZ // 1000, np.int16),
        wave[:middle],
        wave[middle : middle + doubled],
        wave[middle + lost :],
    ]
    return np.concatenate(parts)


def _stretches(samples: int, gaps_at_ms: Sequence[int]) -> Iterator[tuple[int, int]]:
    """What of the answer, in ms, comes between two gaps."""
    whole = samples * 1000 // RATE_HZ
    yield from pairwise([0, *(at for at in gaps_at_ms if at < whole), whole])


def _event(type: str, **fields: Any) -> str:
    return json.dumps({"type": type, **fields})
