"""The utterances of one session: opened, kept until their words are known, and let go of with it."""

from server.conversation.recognition import GiveHints
from server.conversation.utterance import Utterance, WordListener, WordNews, WordsSettled
from server.domain.ids import Ids
from stages.errors import ProviderError
from stages.ports import Recogniser, SpeechHints


class Utterances:
    """Opens utterances, and takes what is recognised of each straight to all who need it. Plain calls."""

    def __init__(
        self,
        recogniser: Recogniser,
        ids: Ids,
        recognise_s: float,
        hints: GiveHints = SpeechHints,
    ) -> None:
        """`recognise_s` is how long the words of one may take; `hints` gives what is known of the next one."""
        self.hints = hints
        self.recogniser = recogniser
        self._ids = ids
        self._recognise_s = recognise_s
        self._listeners: list[WordListener] = []
        self._unsettled: dict[str, Utterance] = {}
        self._lost: tuple[str, ProviderError] | None = None

    def tell(self, listener: WordListener) -> None:
        """Tell `listener`, after those before it, of the words of all utterances that are opened from now on."""
        self._listeners.append(listener)

    def open(self, recogniser: Recogniser | None = None) -> Utterance:
        """The person has begun to speak; `recogniser` hears it, if not the usual one."""
        hears = recogniser or self.recogniser
        return Utterance(self._ids.new("item"), hears, self, patience_s=self._recognise_s, hints=self.hints())

    def over(self, utterance: Utterance) -> None:
        """The person has stopped; its words are still to come."""
        self._unsettled[utterance.item_id] = utterance

    def earlier(self) -> tuple[Utterance, ...]:
        """Utterances that are over and whose words are not known yet, oldest first."""
        return tuple(self._unsettled.values())

    def lost(self, item_id: str) -> ProviderError | None:
        """Why the words of this item could not be had, if it is the newest of which that is so."""
        return self._lost[1] if self._lost is not None and self._lost[0] == item_id else None

    def forget(self, utterance: Utterance) -> None:
        """Forget an utterance that was none: nobody spoke."""
        self._unsettled.pop(utterance.item_id, None)
        utterance.close()

    def close(self) -> None:
        """Let go of every recognition."""
        for utterance in self._unsettled.values():
            utterance.close()
        self._unsettled.clear()

    def hear_words(self, utterance: Utterance, news: WordNews) -> None:
        """Take news of words to all who listen."""
        if isinstance(news, WordsSettled):
            self._unsettled.pop(utterance.item_id, None)
            if isinstance(news.outcome, ProviderError):
                self._lost = utterance.item_id, news.outcome
        for listener in self._listeners:
            listener.hear_words(utterance, news)
