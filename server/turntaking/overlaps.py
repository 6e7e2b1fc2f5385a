"""Sounds that the person makes during an answer, until it is known whether they interrupt it.

Several may wait at once: while one is still being transcribed, the next may begin. The oldest that
interrupts takes the floor and becomes a turn, what came before it is forgotten, what came after it is judged over
the answer to that turn. When the last of them has been dismissed, the answer gets its floor back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from server.conversation.memory import Conversation
from server.conversation.session_language import SessionLanguage
from server.conversation.spoken_items import SpokenItems
from server.conversation.utterance import Utterance
from server.domain import events as ev
from server.domain.values import ConfigInForce
from server.domain.voice_events import EndedBy
from server.output.outbound import Outbound
from server.turntaking.echo import EchoEar, HeardVoice
from server.turntaking.floor_table import FloorEvent
from server.turntaking.happened import Happened
from server.turntaking.hearing import Hearing
from server.turntaking.inbox import FloorInbox
from server.turntaking.interruption import HUM_MS, InterruptionPolicy, OverlapEvidence, OverlapVerdict, judge
from server.turntaking.speech_events import SpeechBegan
from stages.ports import EndOfTurnModel, Transcript


@dataclass(frozen=True, slots=True)
class SpeechContext:
    """What speech needs of its session."""

    inbox: FloorInbox
    outbound: Outbound
    spoken: SpokenItems
    conversation: Conversation
    config: ConfigInForce
    answer: HeardVoice
    end_of_turn: EndOfTurnModel | None
    interruption: InterruptionPolicy
    interruption_in: Mapping[str, InterruptionPolicy]
    language: SessionLanguage
    holds_voice: bool

    @property
    def policy(self) -> InterruptionPolicy:
        """Of the language that the client has chosen, or of all."""
        return self.interruption_in.get(self.language.chosen or "", self.interruption)


@dataclass(slots=True)
class Overlap:
    """A sound that the person makes during a response."""

    began: SpeechBegan
    lasted_ms: int = 0
    ended_ms: int | None = None
    """Where it ended, once the detector or the client has said so."""
    ended_by: EndedBy = "silence"
    goes_on: bool = False
    """Whether it has lasted so long that the voice is held."""
    is_told: bool = False
    """Whether the client knows of it."""

    @property
    def utterance(self) -> Utterance:
        """The audio and the words of the overlap."""
        return self.began.utterance


_SHORT_ENDS_AFTER_MS = 160
"""Silence that ends a sound too short for a word: time for one that began softly to go on, for what is dismissed is
lost."""


class Overlaps:
    """The sounds that wait for a verdict, oldest first; only the newest may still be going on."""

    def __init__(
        self,
        hearing: Hearing,
        context: SpeechContext,
        echo: EchoEar,
        become_turn: Callable[[Overlap], None],
    ) -> None:
        """`become_turn` is called with an overlap that has, or can have, the floor."""
        self._hearing = hearing
        self._echo = echo
        self._context = context
        self._become_turn = become_turn
        self._waiting: list[Overlap] = []

    def of(self, utterance: Utterance) -> Overlap | None:
        """The overlap that is this utterance."""
        return next((overlap for overlap in self._waiting if overlap.utterance is utterance), None)

    def begin(self, began: SpeechBegan) -> None:
        """The person has made a sound."""
        self._waiting.append(Overlap(began))

    def weigh_newest(self) -> None:
        """More of it has been heard. The hot path: once there are words, how long it lasts only matters to a voice
        that is not held yet, and to what is short enough for a hum."""
        if self._waiting:
            newest = self._waiting[-1]
            if not (newest.goes_on and newest.utterance.text) or newest.lasted_ms < HUM_MS:
                self.weigh(newest)

    def weigh(self, overlap: Overlap) -> None:
        """Judge the overlap anew: more is known of it."""
        utterance = overlap.utterance
        if overlap.ended_ms is None and not utterance.is_paused:
            heard_ms = self._hearing.position_ms - self._hearing.silence_ms
            overlap.lasted_ms = heard_ms - overlap.began.onset_ms
        is_over = utterance.is_paused and utterance.outcome is not None
        outcome = utterance.outcome if isinstance(utterance.outcome, Transcript) else None
        evidence = OverlapEvidence(
            overlap.lasted_ms,
            utterance.text,
            utterance.transcribed_ms,
            is_over,
            self._echo.audible(utterance) if utterance.text else "",
            self._echo.loudness(utterance),
            outcome.log_probability if outcome else 0.0,
            outcome.unclear_below if outcome else None,
        )
        verdict = judge(evidence, self._context.policy, self._echo.may_come_back)
        if verdict in (OverlapVerdict.HOLD, OverlapVerdict.TRANSCRIBE):
            overlap.goes_on = True
            self._context.inbox.feed(Happened(FloorEvent.SPEECH_PERSISTED))
        match verdict:
            case OverlapVerdict.TRANSCRIBE if not utterance.is_being_transcribed:
                self._context.spoken.transcribe(utterance)
            case OverlapVerdict.INTERRUPT:
                self.take_floor(overlap)
            case OverlapVerdict.DISMISS:
                self._dismiss(overlap)

    def pause(self, overlap: Overlap, voice_ended_ms: int) -> None:
        """It has paused, and may be all: it is transcribed, unless it is too short for a word and just ends soon."""
        overlap.lasted_ms = voice_ended_ms - overlap.began.onset_ms
        if self._is_short(overlap):
            self._hearing.confirm_after(_SHORT_ENDS_AFTER_MS)
        else:
            self._context.spoken.transcribe(overlap.utterance)

    def end(self, overlap: Overlap, end_ms: int) -> None:
        """The detector has heard its end; its words decide, if it is long enough to have any."""
        overlap.ended_ms = end_ms
        if self._is_short(overlap):
            self._dismiss(overlap)
            return
        if not overlap.utterance.is_paused:  # it was too long for a pause
            overlap.utterance.pause()
            self._context.spoken.transcribe(overlap.utterance)

    def take_floor(self, overlap: Overlap) -> None:
        """Let the overlap interrupt the response."""
        while self._waiting[0] is not overlap:
            self._hearing.forget(self._waiting.pop(0).utterance)
        if not overlap.is_told:
            overlap.is_told = True
            self._context.inbox.feed(Happened(FloorEvent.BARGED_IN, sound=overlap.began))

    def next_turn(self) -> None:
        """Nobody answers: make a turn of the oldest that is worth one. To be called again for the next, once the floor
        has taken this one in and is still free."""
        while self._waiting:
            overlap = self._waiting.pop(0)
            if not self._is_over_unnoticed(overlap):
                if not overlap.is_told:
                    self._context.outbound.put(
                        ev.SpeechStarted(overlap.utterance.item_id, overlap.began.audio_start_ms)
                    )
                self._become_turn(overlap)
                break
            self._hearing.forget(overlap.utterance)
            if not self._waiting:
                self._context.inbox.feed(Happened(FloorEvent.SPEECH_NOTED))
        if self._waiting:
            self._context.inbox.feed(Happened(FloorEvent.SOUND_WAITS))

    def abandon(self) -> bool:
        """Forget them all; True if there were any."""
        had_some = bool(self._waiting)
        while self._waiting:
            self._hearing.forget(self._waiting.pop().utterance)
        if had_some:
            self._context.inbox.feed(Happened(FloorEvent.FALSE_ALARM))
        return had_some

    def _is_over_unnoticed(self, overlap: Overlap) -> bool:
        """Whether it was short, and neither words nor the client have made anything of it."""
        is_open = overlap.ended_ms is None and not overlap.is_told
        return is_open and overlap.utterance.is_paused and self._is_short(overlap)

    def _is_short(self, overlap: Overlap) -> bool:
        return overlap.lasted_ms < self._context.policy.min_sound_ms

    def _dismiss(self, overlap: Overlap) -> None:
        self._waiting.remove(overlap)
        self._hearing.forget(overlap.utterance)
        if not self._waiting:
            self._context.inbox.feed(Happened(FloorEvent.FALSE_ALARM))
