"""What a client of `voice.v1` knows of its session: the answers, their places in the play ring, what of them was heard.

Pure: events and audio frames of the server go in, and time; out come orders to the ring, captions, and the reports that
the protocol wants (docs/protocol.md, "What was heard").
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from server.client.captions import Captions
from server.client.play_ring import PlayRing
from server.dialects.voice.frames import WRAP, Stream, unpack_frame
from stages.ports import WordTime

REPORT_S = 0.15
"""While something is played; the protocol asks for 100 to 200 ms."""

_KEPT = 8
"""Answers whose end has not been heard, at most, and then some."""

_TRANSCRIPTION = "conversation.item.input_audio_transcription"
_ANSWER_TEXT = ("response.output_audio_transcript.delta", "response.output_text.delta")
_ANSWER_WHOLE = ("response.output_audio.done", "response.output_text.done")

Event = dict[str, Any]


class _Fate(StrEnum):
    """What becomes of an answer."""

    PLAYING = "playing"
    CUT = "cut"
    """It was flushed, and the server is still to be told how much of it was heard."""
    OVER = "over"


@dataclass(slots=True)
class _Answer:
    id: str
    text: str = ""
    fate: _Fate = _Fate.PLAYING
    received: int = 0
    """Samples, as far as the frames have come."""
    is_whole: bool = False
    began_at: int | None = None
    """The place in the ring where its first sample lies."""
    cut_at: int | None = None
    """The place at which a flush has cut it, once the loudspeaker knows."""
    words: list[WordTime] = field(default_factory=list)
    shown: str = ""
    """What the person has read of it."""

    def played(self, heard: int) -> int:
        """How many of its samples lie before this place in the ring."""
        return 0 if self.began_at is None else min(max(0, heard - self.began_at), self.received)

    def begun(self, played: int) -> str:
        """The words of which something has been heard."""
        return "".join(word.text for word in self.words if word.start_sample < played).strip()

    def heard(self, played: int) -> str:
        """The words that have been heard to their end."""
        return "".join(word.text for word in self.words if word.end_sample <= played).strip()


class Call:
    """One session, from the side of the person."""

    def __init__(self, ring: PlayRing, captions: Captions) -> None:
        self._ring = ring
        self._captions = captions
        self._answers: deque[_Answer] = deque(maxlen=_KEPT)
        self._epoch = 0
        self._person = ("", "")
        """The item that the person is saying, and its words so far."""
        self._reported_s = -math.inf
        self._handlers: dict[str, Callable[[Event], None]] = {
            "input_audio_buffer.speech_started": self._person_begins,
            f"{_TRANSCRIPTION}.delta": self._person_goes_on,
            f"{_TRANSCRIPTION}.completed": self._person_has_said,
            "response.output_item.added": self._answer_begins,
            **dict.fromkeys(_ANSWER_TEXT, self._answer_goes_on),
            **dict.fromkeys(_ANSWER_WHOLE, self._answer_is_whole),
            "response.output_item.done": self._answer_is_over,
            "response.done": self._reply_ends,
            "x_words": self._words_are_told,
            "x_duck": lambda _: self._ring.duck(),
            "x_pause": lambda _: self._ring.pause(),
            "x_resume": lambda _: self._ring.resume(),
            "x_flush": lambda event: self._flush(event["epoch"]),
            "error": lambda event: self._captions.note(f"error: {event['error']['message']}"),
        }

    def obey(self, event: Event) -> None:
        """Take one event of the server; those that mean nothing to a listener are passed over."""
        handler = self._handlers.get(event["type"])
        if handler is not None:
            handler(event)

    def hear(self, frame: bytes) -> None:
        """Take one audio frame of the server."""
        audio = unpack_frame(frame)
        if audio.stream is not Stream.ANSWER or self._is_stale(audio.epoch) or not self._answers:
            return
        answer, samples = self._answers[-1], np.frombuffer(audio.data, "<i2")
        place = self._ring.written
        if answer.fate is not _Fate.PLAYING or not self._ring.write(samples):
            return
        answer.began_at = place - audio.offset_samples
        answer.received = audio.offset_samples + len(samples)

    def move(self, now_s: float) -> Event | None:
        """Time has passed: show the words that were heard since, and give the report that is due, if one is."""
        heard = self._ring.heard(now_s)
        self._note_cut()
        for answer in self._answers:
            if answer.fate is _Fate.CUT:
                report = self._told_cut(answer, heard)
                if report is not None:
                    return report
            elif answer.fate is _Fate.PLAYING and answer.began_at is not None and heard > answer.began_at:
                return self._follow(answer, heard, now_s)
        return None

    # --- the person -------------------------------------------------------------------------------------------

    def _person_begins(self, event: Event) -> None:
        self._person = (event["item_id"], "")
        self._captions.changes("you", "…")

    def _person_goes_on(self, event: Event) -> None:
        item_id, before = self._person
        text = (before if item_id == event["item_id"] else "") + event["delta"]
        self._person = (event["item_id"], text)
        self._captions.changes("you", text.strip())

    def _person_has_said(self, event: Event) -> None:
        if text := event["transcript"].strip():
            self._captions.stays("you", text)

    # --- the agent --------------------------------------------------------------------------------------------

    def _answer_begins(self, event: Event) -> None:
        if event["item"]["type"] == "message":
            self._answers.append(_Answer(event["item"]["id"]))

    def _answer_goes_on(self, event: Event) -> None:
        if (answer := self._find(event["item_id"])) is not None:
            answer.text += event["delta"]

    def _words_are_told(self, event: Event) -> None:
        if (answer := self._find(event["item_id"])) is not None:
            answer.words += [WordTime(**word) for word in event["words"]]

    def _answer_is_whole(self, event: Event) -> None:
        answer = self._find(event["item_id"])
        if answer is None or answer.fate is not _Fate.PLAYING:
            return
        answer.is_whole = True
        self._ring.end()
        if answer.began_at is None:
            self._finish(answer, answer.text)

    def _answer_is_over(self, event: Event) -> None:
        answer = self._find(event["item"]["id"])
        if answer is not None and answer.words and event["item"]["status"] == "incomplete":
            answer.text = "".join(word.text for word in answer.words)  # the voice has ended before the text

    def _reply_ends(self, event: Event) -> None:
        if event["response"]["status"] == "failed":
            details = event["response"].get("status_details") or {}
            self._captions.note(f"the answer failed: {(details.get('error') or {}).get('message', '')}")

    def _flush(self, epoch: int) -> None:
        self._epoch = epoch
        self._note_cut()  # of an earlier flush, whose place is forgotten with this one
        self._ring.flush()
        for answer in self._answers:
            if answer.fate is _Fate.PLAYING:
                answer.fate = _Fate.CUT

    def _note_cut(self) -> None:
        for answer in self._answers:
            if answer.fate is _Fate.CUT and answer.cut_at is None:
                answer.cut_at = self._ring.cut_at

    def _find(self, item_id: str) -> _Answer | None:
        return next((answer for answer in self._answers if answer.id == item_id), None)

    def _is_stale(self, epoch: int) -> bool:
        return 0 < (self._epoch - epoch) % WRAP < WRAP // 2

    # --- what was heard -----------------------------------------------------------------------------------------

    def _told_cut(self, answer: _Answer, heard: int) -> Event | None:
        """The last report of an answer that was flushed, once the loudspeaker has come to where it was cut."""
        if answer.cut_at is None or heard < answer.cut_at:
            return None
        played = answer.played(answer.cut_at)
        words = answer.heard(played)
        self._finish(answer, f"{words} –" if words else "")
        return self._report(answer, played)

    def _follow(self, answer: _Answer, heard: int, now_s: float) -> Event | None:
        played = answer.played(heard)
        if answer.is_whole and played >= answer.received:
            self._finish(answer, answer.text)
            return self._report(answer, played)
        words = answer.begun(played)
        if words != answer.shown:
            answer.shown = words
            self._captions.changes("agent", words)
        if now_s - self._reported_s < REPORT_S:
            return None
        self._reported_s = now_s
        return self._report(answer, played)

    def _finish(self, answer: _Answer, words: str) -> None:
        answer.fate = _Fate.OVER
        if words:
            self._captions.stays("agent", words.strip())

    def _report(self, answer: _Answer, played: int) -> Event:
        return {
            "type": "x_playback",
            "item_id": answer.id,
            "played_samples": played,
            "underruns": self._ring.underruns,
        }
