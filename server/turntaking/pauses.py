"""How long a pause must last to be the end of a turn, with semantic turn detection: decided anew with all news."""

from server.conversation.asked import expected
from server.conversation.memory import Conversation
from server.conversation.utterance import Utterance
from server.domain.values import ConfigInForce
from server.domain.voice_events import EndedBy
from server.turntaking.endpointing import EAGERNESS, PauseEvidence, Pauses, is_read_out, silence_ms
from server.turntaking.hearing import Hearing
from stages.ports import EndOfTurnModel


class PauseLength:
    """Sets the silence that the detector waits for. Plain calls; the end-of-turn model calls back."""

    def __init__(
        self,
        hearing: Hearing,
        conversation: Conversation,
        config: ConfigInForce,
        end_of_turn: EndOfTurnModel | None,
    ) -> None:
        self._hearing = hearing
        self._conversation = conversation
        self._config = config
        self._pauses = Pauses()
        self._questions = end_of_turn.open(self._heard_end) if end_of_turn else None
        self._finished: float | None = None
        """What the end-of-turn model makes of this pause."""

    @property
    def is_semantic(self) -> bool:
        """Whether what was said has a say in it."""
        detection = self._config.detection
        return detection is not None and detection.kind == "semantic_vad" and not self._hearing.finds_turns

    @property
    def decided_by(self) -> EndedBy:
        """What has an utterance end, if nobody ends it by hand."""
        if self._hearing.finds_turns:
            return "recogniser"
        return "semantic" if self.is_semantic else "silence"

    def began(self, utterance: Utterance) -> None:
        """The person has paused."""
        self._finished = None
        self.decide(utterance)
        if self._questions is not None and self.is_semantic:
            self._questions.ask(utterance.recent())

    def went_on(self, pause_ms: int) -> None:
        """Learn from a pause that was not the end."""
        self._pauses = self._pauses.after(pause_ms)
        self.ended()

    def ended(self) -> None:
        """The utterance is over, or goes on: what the model makes of the pause does not matter any more."""
        if self._questions is not None:
            self._questions.drop()

    def decide(self, utterance: Utterance) -> None:
        """How long the pause must last to be the end, by what is known now."""
        detection = self._config.detection
        if utterance is not self._hearing.current or not utterance.is_paused:
            return  # it is over, or forgotten, and its words have come too late to matter
        if detection is None or not self.is_semantic:
            return
        evidence = PauseEvidence(
            text=utterance.text or None,
            expects=expected(self._conversation),
            finished=self._finished,
            pause_ms=self._pauses.mean_ms,
        )
        self._hearing.confirm_after(
            silence_ms(evidence, EAGERNESS[detection.eagerness]), by_level=is_read_out(evidence)
        )

    def close(self) -> None:
        """Let go of the end-of-turn model."""
        if self._questions is not None:
            self._questions.close()

    def _heard_end(self, probability: float) -> None:
        """The end-of-turn model has heard the pause."""
        self._finished = probability
        if self._hearing.current is not None:
            self.decide(self._hearing.current)
