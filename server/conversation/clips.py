"""The clips of one session: recorded speech in messages that the client writes, transcribed one after the other.

Whoever needs the words at once, an answer, need not wait for its turn: it transcribes the clips itself
(`ClipTranscription`).
"""

import logging
from collections import deque
from collections.abc import Iterable

from server.conversation.clip_transcription import ClipTranscription
from server.conversation.memory import Entry
from server.conversation.recognition import GiveHints, Outcome
from server.conversation.spoken_items import SpokenItems
from server.domain.errors import ClientError, Fault
from server.domain.session_parts import Tasks
from server.domain.values import Clip, Item
from stages.ports import Recogniser, SpeechHints, Transcript

log = logging.getLogger(__name__)

MIN_CLIP_S = 1.0
"""What a clip counts for at least while it waits: every one of them is a recognition of its own."""


class Clips:
    """Makes entries of items that have clips, and sees to it that they are transcribed. Plain calls."""

    def __init__(
        self,
        session_id: str,
        recogniser: Recogniser,
        spoken: SpokenItems,
        *,
        max_waiting_s: float,
        clip_s: float,
        tasks: Tasks,
        hints: GiveHints = SpeechHints,
    ) -> None:
        """`clip_s` is how long the words of one may take; `hints` gives what is known of the next one."""
        self._hints = hints
        self._session_id = session_id
        self._recogniser = recogniser
        self._spoken = spoken
        self._max_waiting_s = max_waiting_s
        self._clip_s = clip_s
        self._tasks = tasks
        self._waiting: deque[ClipTranscription] = deque()

    def entry(self, item: Item, *, in_conversation: bool = True) -> Entry:
        """The item as an entry. What is heard in it is told only of items that the client finds again."""
        entry = Entry.of(item)
        clips = [(index, part.clip) for index, part in enumerate(item.parts) if part.clip is not None]
        entry.clips = tuple(
            self._transcription_of(entry, index, clip, in_conversation) for index, clip in clips
        )
        return entry

    def check_room(self, entry: Entry) -> None:
        """Raises ClientError when the entry's clips would be too much to wait for."""
        waiting_s = _counted_s(self._waiting)
        if entry.clips and waiting_s + _counted_s(entry.clips) > self._max_waiting_s:
            raise ClientError(
                Fault.TOO_MANY_CLIPS,
                f"{waiting_s:.1f} s of clips wait to be recognised, and with these there would be "
                f"more than {self._max_waiting_s:g} s, every clip counting for {MIN_CLIP_S:g} s at least: "
                "wait until some are.",
                blame="limit",
                param="item.parts",
            )

    def transcribe_soon(self, entry: Entry) -> None:
        """Have the entry's clips transcribed in the background."""
        is_working = bool(self._waiting)
        open_clips = (clip for clip in self._waiting if clip.outcome is None or clip is self._waiting[0])
        self._waiting = deque(
            (*open_clips, *entry.clips)
        )  # what was transcribed or dropped meanwhile waits no more
        if self._waiting and not is_working:
            self._tasks.start(self._work)

    async def _work(self) -> None:
        while self._waiting:
            await self._waiting[0].known()
            self._waiting.popleft()

    def _transcription_of(
        self, entry: Entry, index: int, clip: Clip, in_conversation: bool
    ) -> ClipTranscription:
        clip_s = clip.duration_s

        def know(outcome: Outcome) -> None:
            if isinstance(outcome, Transcript):
                entry.hear(index, outcome.text)
            else:
                log.warning("a clip could not be recognised", extra={"session": self._session_id})
            if in_conversation:
                text = outcome.text if isinstance(outcome, Transcript) else ""
                self._spoken.tell_delta(entry.id, text, index)
                self._spoken.tell_words(entry.id, outcome, clip_s, index)

        return ClipTranscription(clip, self._recogniser, know, self._clip_s, self._hints())


def _counted_s(clips: Iterable[ClipTranscription]) -> float:
    return sum(max(MIN_CLIP_S, clip.duration_s) for clip in clips if clip.outcome is None)
