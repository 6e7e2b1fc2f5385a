"""What a client of `voice.v1` makes of the server's events and audio frames.

Pure: events and audio frames of the server go in, and time; out come orders to the play ring, captions, and the reports
of what was heard. `answers` knows where the audio lies, `playback` follows it.
"""

from collections.abc import Callable
from typing import Any

from server.client.answers import PlayedAnswers
from server.client.captions import Captions
from server.client.play_ring import PlayRing
from server.client.playback import Playback
from stages.ports import WordTime

_TRANSCRIPTION = "conversation.item.input_audio_transcription"
_ANSWER_TEXT = ("response.output_audio_transcript.delta", "response.output_text.delta")
_ANSWER_WHOLE = ("response.output_audio.done", "response.output_text.done")

Event = dict[str, Any]


class Call:
    """One session, from the side of the person."""

    def __init__(self, ring: PlayRing, captions: Captions) -> None:
        self._captions = captions
        self._answers = PlayedAnswers(ring)
        self._playback = Playback(ring, self._answers, captions)
        self._person = ("", "")
        """The item that the person is saying, and its words so far."""
        self._handlers: dict[str, Callable[[Event], None]] = {
            "input_audio_buffer.speech_started": self._person_begins,
            f"{_TRANSCRIPTION}.delta": self._person_goes_on,
            f"{_TRANSCRIPTION}.completed": self._person_has_said,
            "response.output_item.added": self._answer_begins,
            **dict.fromkeys(_ANSWER_TEXT, self._answer_goes_on),
            **dict.fromkeys(_ANSWER_WHOLE, self._answer_is_whole),
            "response.output_item.done": self._answer_is_over,
            "response.done": self._response_ends,
            "x_words": self._words_are_told,
            "x_duck": lambda _: ring.duck(),
            "x_pause": lambda _: ring.pause(),
            "x_resume": lambda _: ring.resume(),
            "x_flush": lambda event: self._answers.flush(event["epoch"]),
            "error": lambda event: captions.note(f"error: {event['error']['message']}"),
        }

    def obey(self, event: Event) -> None:
        """Take one event of the server; those that mean nothing to a listener are passed over."""
        handler = self._handlers.get(event["type"])
        if handler is not None:
            handler(event)

    def hear(self, frame: bytes) -> None:
        """Take one audio frame of the server."""
        self._answers.play(frame)

    def move(self, now_s: float) -> Event | None:
        """Time has passed: show the words that were heard since, and give the report that is due, if one is."""
        return self._playback.move(now_s)

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
            self._answers.begin(event["item"]["id"])

    def _answer_goes_on(self, event: Event) -> None:
        if (answer := self._answers.find(event["item_id"])) is not None:
            answer.text += event["delta"]

    def _words_are_told(self, event: Event) -> None:
        if (answer := self._answers.find(event["item_id"])) is not None:
            answer.words += [WordTime(**word) for word in event["words"]]

    def _answer_is_whole(self, event: Event) -> None:
        if (answer := self._answers.find(event["item_id"])) is not None:
            self._playback.complete(answer)

    def _answer_is_over(self, event: Event) -> None:
        answer = self._answers.find(event["item"]["id"])
        if answer is not None and answer.words and event["item"]["status"] == "incomplete":
            answer.text = "".join(word.text for word in answer.words)  # the voice has ended before the text

    def _response_ends(self, event: Event) -> None:
        if event["response"]["status"] == "failed":
            details = event["response"].get("status_details") or {}
            self._captions.note(f"the answer failed: {(details.get('error') or {}).get('message', '')}")
