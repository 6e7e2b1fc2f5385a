"""The person's utterances as items of the conversation: their place in it, and what is told of their words."""

import logging

from server.conversation.clip_transcription import ClipGone
from server.conversation.memory import Conversation, Entry
from server.conversation.recognition import Outcome
from server.conversation.utterance import Utterance, WordNews, WordsCame, WordsSettled, WordsTranscribed
from server.domain import events as ev
from server.domain.session_parts import ClientEvents, Tasks
from server.domain.values import ConfigInForce
from stages.errors import ProviderError
from stages.ports import Transcript

log = logging.getLogger(__name__)


class SpokenItems:
    """The items of one session that were spoken by the person."""

    def __init__(
        self,
        session_id: str,
        conversation: Conversation,
        client: ClientEvents,
        config: ConfigInForce,
        tasks: Tasks,
    ) -> None:
        self._session_id = session_id
        self._conversation = conversation
        self._client = client
        self._config = config
        self._tasks = tasks

    def take(self, utterance: Utterance) -> None:
        """The utterance is over and becomes the person's item; then its words may be told."""
        self._add(utterance.item_id)
        utterance.end()

    def note(self, item_id: str) -> None:
        """Give the utterance its place in the conversation, if it has none yet."""
        if self._conversation.find(item_id) is None:
            self._conversation.add(Entry(item_id, "user", spoken=True, is_told=False))

    def add_silence(self, item_id: str, start_ms: int, end_ms: int) -> None:
        """Take a silence for an utterance in which nothing was said."""
        self._client.put(ev.SilenceNoticed(item_id, start_ms, end_ms))
        self._add(item_id)
        self.tell_words(item_id, Transcript(""), (end_ms - start_ms) / 1000)

    def transcribe(self, utterance: Utterance) -> None:
        """Have it transcribed in the background."""
        self._tasks.start(self._transcribe, utterance)

    def tell_delta(self, item_id: str, delta: str, content_index: int = 0) -> None:
        """More of an item's words are certain."""
        if delta and self._config.current.transcription:
            self._client.put(ev.TranscriptPartial(item_id, delta, content_index))

    def tell_words(self, item_id: str, outcome: Outcome, duration_s: float, content_index: int = 0) -> None:
        """All of an item's words are certain, or cannot be had."""
        if not self._config.current.transcription:
            return
        if isinstance(outcome, Transcript):
            self._client.put(ev.TranscriptFinal(item_id, outcome.text, duration_s, content_index))
        else:
            why = str(outcome) if isinstance(outcome, ClipGone) else "the recogniser failed"
            self._client.put(ev.TranscriptFailed(item_id, "transcription_failed", why, content_index))

    def hear_words(self, utterance: Utterance, news: WordNews) -> None:
        """As `WordListener` has it."""
        match news:
            case WordsCame(delta=delta):
                self.tell_delta(utterance.item_id, delta)
            case WordsSettled(outcome=outcome):
                self._settle(utterance, outcome)
            case WordsTranscribed():
                pass  # it may go on

    def _settle(self, utterance: Utterance, outcome: Outcome) -> None:
        entry = self._conversation.find(utterance.item_id)
        if isinstance(outcome, Transcript) and entry is not None:
            entry.generated = outcome.text
        self.tell_words(utterance.item_id, outcome, utterance.duration_ms / 1000)

    def _add(self, item_id: str) -> None:
        self.note(item_id)
        entry = self._conversation.get(item_id)
        entry.is_told = True
        item, previous = entry.item(), self._conversation.previous_id(item_id)
        self._client.put(ev.AudioCommitted(item.id, previous))
        self._client.put(ev.ItemAdded(item, previous))
        self._client.put(ev.ItemDone(item, previous))

    async def _transcribe(self, utterance: Utterance) -> None:
        try:
            await utterance.final()
        except ProviderError:
            log.warning("an utterance could not be recognised", extra={"session": self._session_id})
