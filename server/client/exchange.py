"""Whether all that was said to a server has been answered. Pure: events of the Realtime protocol go in."""

from collections.abc import Mapping
from typing import Any

TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


class Exchange:
    """One session, as far as it matters who owes whom: the person the end of a sentence, the server an answer."""

    def __init__(self) -> None:
        self.answers = 0
        """That are over, to what is not given up."""
        self._speaking: set[str] = set()
        """Items of the person that have begun and not ended."""
        self._owed: set[str] = set()
        """Items that have ended, and no answer has begun since."""
        self._empty: set[str] = set()
        """Items in which there were no words."""
        self._answering: set[str] = set()
        """Answers that have begun and are not over."""
        self._past: set[str] = set()
        """Items and answers of what was given up."""
        self._is_past = False
        """Whether an answer that begins now is to what was given up: nothing was said to its end since."""

    def give_up(self) -> None:
        """Nobody waits any longer for an answer to what was said so far: one that comes yet counts for nothing."""
        self._past |= self._owed | self._answering
        for pending in (self._speaking, self._owed, self._answering):
            pending.clear()
        self._is_past = True

    def is_awaited(self, response_id: str) -> bool:
        """Whether this answer is to what was said since somebody gave up."""
        return response_id not in self._past

    def take(self, event: Mapping[str, Any]) -> None:
        """Follow one event of the server."""
        match event:
            case {"type": "input_audio_buffer.speech_started", "item_id": item_id}:
                self._speaking.add(item_id)
            case {"type": "input_audio_buffer.speech_stopped", "item_id": item_id}:
                self._speaking.discard(item_id)
                self._is_past = False
                if item_id not in self._empty:
                    self._owed.add(item_id)
            case {"type": "input_audio_buffer.cleared"}:
                self._speaking.clear()
            case {"type": type, "item_id": item_id, "transcript": text} if type == TRANSCRIBED:
                if not text.strip():
                    self._empty.add(item_id)
                    self._owed.discard(item_id)
            case {"type": "response.created", "response": {"id": response_id}}:
                if self._is_past:
                    self._past.add(response_id)
                else:
                    self._owed.clear()
                    self._answering.add(response_id)
            case {"type": "response.done", "response": {"id": response_id}}:
                self._answering.discard(response_id)
                self.answers += self.is_awaited(response_id)

    @property
    def is_settled(self) -> bool:
        """Whether somebody was answered, and nobody is owed anything more."""
        return self.answers > 0 and not (self._speaking or self._owed or self._answering)
