"""A recogniser that finds the ends of turns, told what is known of all the speech that comes."""

from collections.abc import Callable

from server.conversation.recognition import GiveHints
from stages.ports import SpeechHints, TurnEvent, TurnRecogniser, TurnStream


class HintedTurns:
    """Opens one session's streams, one after the other."""

    def __init__(self, turns: TurnRecogniser, hints: GiveHints) -> None:
        """`hints` gives what is known of the next utterance."""
        self._turns = turns
        self._hints = hints
        self._told = SpeechHints()
        self.may_be_outdated = False
        """Whether something has changed that the hints may come of."""

    def open(self, on_event: Callable[[TurnEvent], None]) -> TurnStream:
        """A stream whose recogniser knows the language, and the words that are likely to be said."""
        self._told = self._newest()
        return self._turns.open_turns(on_event, hints=self._told)

    def are_outdated(self) -> bool:
        """Whether the newest stream was told something else."""
        self.may_be_outdated = False
        return self._newest() != self._told

    def _newest(self) -> SpeechHints:
        hints = self._hints()
        return SpeechHints(hints.language, hints.phrases)
