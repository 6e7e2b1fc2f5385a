"""What a conversation with a recording prints: lines for people, or one JSON object a line for programs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from server.client.captions import Write
from server.client.client import Received
from server.client.waterfall import AnswerSteps, in_words


class Printer:
    """Tells what happens as it happens, and keeps who said what."""

    def __init__(self, write: Write, *, as_json: bool) -> None:
        """`write` gets each line."""
        self._write = write
        self._as_json = as_json
        self.lines: list[tuple[str, str]] = []
        """Who has said what, in order."""

    def take(self, seen: Received) -> None:
        """Print what one event of the server says."""
        match seen.event:
            case {"type": "conversation.item.input_audio_transcription.delta", "delta": delta}:
                if not self._as_json:
                    self._write(f"  ...  {delta.strip()}")
            case {"type": "conversation.item.input_audio_transcription.completed", "transcript": text}:
                self.said("you", text)
            case {"type": "response.output_audio_transcript.done", "transcript": text}:
                self.said("agent", text)
            case {"type": "response.done", "response": {"status": status}} if status != "completed":
                self._tell({"type": "ended", "status": status}, f"       ({status})")
            case {"type": "error", "error": {"message": message}}:
                self._tell({"type": "error", "message": message}, f"error: {message}")

    def said(self, who: str, text: str) -> None:
        """Somebody has said this; nothing, where there were no words."""
        if not text.strip():
            return
        self.lines.append((who, text))
        self._tell({"type": "said", "who": who, "text": text}, f"{who:>5}: {text}")

    def note(self, text: str) -> None:
        """Print what nobody has said."""
        self._tell({"type": "note", "text": text}, text)

    def turns(self, turns: Sequence[AnswerSteps]) -> None:
        """What each answer took."""
        for number, turn in enumerate(turns, 1):
            told = {
                "type": "turn",
                "turn": number,
                "since": turn.since,
                "wait_ms": turn.wait_ms,
                "ms": turn.ms,
            }
            if self._as_json:
                self._write(json.dumps(told))
        self.lines_of(in_words(turns))

    def lines_of(self, lines: Sequence[str]) -> None:
        """Further lines for people; programs have the figures they need."""
        for line in () if self._as_json else lines:
            self._write(line)

    def end(self, *, is_well: bool, answer_s: float) -> None:
        """The conversation is over; people see that by themselves."""
        if self._as_json:
            self._write(json.dumps({"type": "end", "ok": is_well, "answer_s": round(answer_s, 3)}))

    def _tell(self, told: Mapping[str, Any], text: str) -> None:
        self._write(json.dumps(told, ensure_ascii=False) if self._as_json else text)
