"""What the person's speech means: what was heard becomes events of the floor, and the client is told.

Theory of operation
-------------------
Speech while nobody answers opens a turn, and a pause in it lets the floor prepare an answer. With semantic turn
detection, what has been read of the words by then decides how long the pause must last to be the end
(`stages.endpointing`); every new reading decides anew.

Speech during an answer is an *overlap*. Clients that can lower and hold the voice are asked to, until `judge`
has made up its mind by what is known: how long the sound lasts, and its words as far as they are read. If it
interrupts, it becomes a turn, with all of its audio. If it does not, it is forgotten, unless the person goes
on: then it is judged anew. For other clients every overlap is an interruption, as their protocol has it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from server import events as ev
from server.answer import Question
from server.hearing import Hearing, SpeechBegan, SpeechEvent, SpeechPaused, SpeechStopped, SpeechWentOn
from server.interruption import Evidence, InterruptionPolicy, Verdict, judge
from server.turns import OVERLAP, Floor, FloorEvent, State
from server.utterance import Utterance
from server.voice_events import EndedBy
from stages.endpointing import EAGERNESS, Pauses, silence_ms
from stages.endpointing import Evidence as PauseEvidence
from stages.expectation import expected_answer
from stages.ports import EndOfTurnModel


@dataclass(frozen=True, slots=True)
class SpeechContext:
    """What speech needs of its session."""

    floor: Floor
    feed: Callable[[FloorEvent, Question | None], None]
    put: Callable[[ev.Event], None]
    take: Callable[[Utterance], None]
    """The utterance is over and becomes the person's item."""
    read: Callable[[Utterance], None]
    """Have an utterance read in the background."""
    detection: Callable[[], ev.TurnDetection | None]
    last_answer: Callable[[], str]
    """What the agent said before the person spoke."""
    answer_text: Callable[[], str]
    """What the agent is saying."""
    answer_heard_ms: Callable[[], int]
    """How much of it has been heard."""
    end_of_turn: EndOfTurnModel | None
    policy: InterruptionPolicy
    holds_voice: bool


class _Stand(StrEnum):
    """How an overlap stands."""

    OPEN = "open"
    DISMISSED = "dismissed"


@dataclass(slots=True)
class _Overlap:
    began: SpeechBegan
    stand: _Stand = _Stand.OPEN
    lasted_ms: int = 0
    ended_ms: int | None = None
    """Where it ended, once the detector has said so."""

    @property
    def utterance(self) -> Utterance:
        return self.began.utterance


class Speech:
    """The person's half of one session. Plain calls; nothing here waits."""

    def __init__(self, hearing: Hearing, context: SpeechContext) -> None:
        self._hearing = hearing
        self._context = context
        self.ended_by: EndedBy = "client"
        """What ended the newest utterance that is over."""
        self._overlap: _Overlap | None = None
        self._pauses = Pauses()
        self._questions = context.end_of_turn.open(self._heard_end) if context.end_of_turn else None
        self._finished: float | None = None
        """What the end-of-turn model makes of this pause."""

    def push(self, data: bytes) -> None:
        """More audio from the client. The hot path. Raises ClientError as `Hearing.push` does."""
        for heard in self._hearing.push(data):
            self._obey(heard)
        if self._overlap is not None and self._overlap.stand is _Stand.OPEN:
            self._weigh(self._overlap)

    def configure(self, config: ev.SessionConfig) -> None:
        """Hear by another configuration; raises ClientError, and then nothing has changed."""
        was_speaking = self._hearing.is_speaking
        self._hearing.configure(config)
        if was_speaking and not self._hearing.is_speaking:
            self._abandon()

    def commit(self, ended_by: EndedBy = "client") -> None:
        """The utterance ends here, mostly because the client says so.

        Raises ClientError when there is too little of it.
        """
        utterance, ended_ms = self._hearing.commit()
        if self._overlap is not None and ended_ms is not None:
            self._take_floor(self._overlap)
        self.ended_by = ended_by
        if ended_ms is not None:
            self._stopped(utterance, ended_ms)
        else:
            self._context.take(utterance)
            self._note(utterance)

    def clear(self) -> None:
        """Forget the audio that has not been committed."""
        was_speaking = self._hearing.clear()
        self._context.put(ev.AudioCleared())
        if was_speaking:
            self._abandon()

    def end_here(self) -> None:
        """The audio has stopped coming: what was said is all there is."""
        if self._hearing.is_speaking:
            self.commit("stall")
        else:
            self._context.feed(FloorEvent.SPEECH_NOTED, None)

    def weigh(self, utterance: Utterance) -> None:
        """More of its words are known."""
        overlap = self._overlap
        if overlap is None:
            self._set_wait(utterance)
        elif overlap.utterance is utterance and overlap.stand is _Stand.OPEN:
            self._weigh(overlap)

    def close(self) -> None:
        """Let go of the recogniser and of the end-of-turn model."""
        self._hearing.close()
        if self._questions is not None:
            self._questions.close()

    def floor_is_free(self) -> None:
        """The answer is over: an overlap that has not been judged is a turn."""
        if self._overlap is not None and self._overlap.stand is _Stand.OPEN:
            self._become_turn(self._overlap)

    # --- turns --------------------------------------------------------------------------------------------

    def _obey(self, heard: SpeechEvent) -> None:
        match heard:
            case SpeechBegan():
                self._began(heard)
            case SpeechPaused(utterance=utterance):
                if self._overlap is not None:
                    self._context.read(utterance)
                else:
                    self._paused(utterance)
            case SpeechWentOn(pause_ms=pause_ms):
                self._went_on(pause_ms)
                if self._overlap is not None:
                    self._overlap_goes_on(self._overlap)
                else:
                    self._context.feed(FloorEvent.SPEECH_RESUMED, None)
            case SpeechStopped(utterance=utterance, audio_end_ms=end_ms):
                self.ended_by = "semantic" if self._is_semantic() else "silence"
                if self._overlap is not None:
                    self._overlap_stopped(self._overlap, end_ms)
                else:
                    self._stopped(utterance, end_ms)

    def _began(self, heard: SpeechBegan) -> None:
        context, detection = self._context, self._context.detection()
        if context.floor.state not in (State.THINKING, State.SPEAKING):
            self._tell_start(heard)
            context.feed(FloorEvent.SPEECH_STARTED, None)
        elif self._is_protected(detection):
            self._tell_start(heard)
            context.feed(FloorEvent.SPEECH_OVERHEARD, None)
        elif context.holds_voice:
            self._overlap = _Overlap(heard)
            context.feed(FloorEvent.SPEECH_STARTED, None)
        else:
            self._tell_start(heard)
            context.feed(FloorEvent.BARGED_IN, None)

    def _paused(self, utterance: Utterance) -> None:
        self._finished = None
        self._set_wait(utterance)
        if self._questions is not None and self._is_semantic():
            self._questions.ask(utterance.recent())
        if self._wants_reply():
            self._context.feed(FloorEvent.SPEECH_PAUSED, Question(utterance=utterance))

    def _went_on(self, pause_ms: int) -> None:
        self._pauses = self._pauses.after(pause_ms)
        if self._questions is not None:
            self._questions.drop()

    def _heard_end(self, probability: float) -> None:
        """The end-of-turn model has heard the pause."""
        self._finished = probability
        if self._hearing.current is not None:
            self._set_wait(self._hearing.current)

    def _set_wait(self, utterance: Utterance) -> None:
        """How long the pause must last to be the end, by what is known now."""
        detection = self._context.detection()
        if not utterance.is_paused or detection is None or not self._is_semantic():
            return
        evidence = PauseEvidence(
            text=utterance.text or None,
            expects=expected_answer(self._context.last_answer()),
            finished=self._finished,
            pause_ms=self._pauses.mean_ms,
        )
        self._hearing.confirm_after(silence_ms(evidence, EAGERNESS[detection.eagerness]))

    def _stopped(self, utterance: Utterance, end_ms: int) -> None:
        self._context.put(ev.SpeechStopped(utterance.item_id, end_ms))
        self._context.take(utterance)
        if self._wants_reply():
            self._context.feed(FloorEvent.SPEECH_ENDED, Question(utterance=utterance))
        else:
            self._note(utterance)

    def _note(self, utterance: Utterance) -> None:
        self._context.read(utterance)
        self._context.feed(FloorEvent.SPEECH_NOTED, None)

    def _is_semantic(self) -> bool:
        detection = self._context.detection()
        return detection is not None and detection.kind == "semantic_vad"

    def _wants_reply(self) -> bool:
        detection = self._context.detection()
        return detection is None or detection.create_response

    def _is_protected(self, detection: ev.TurnDetection | None) -> bool:
        if detection is not None and not detection.interrupt_response:
            return True
        return self._context.answer_heard_ms() < self._context.policy.protect_ms

    def _tell_start(self, began: SpeechBegan) -> None:
        self._context.put(ev.SpeechStarted(began.utterance.item_id, began.audio_start_ms))

    def _abandon(self) -> None:
        """The utterance is gone without an end."""
        overlap, self._overlap = self._overlap, None
        if overlap is None:
            self._context.feed(FloorEvent.SPEECH_NOTED, None)
        elif self._context.floor.state in OVERLAP:
            self._context.feed(FloorEvent.FALSE_ALARM, None)

    # --- overlaps -----------------------------------------------------------------------------------------

    def _weigh(self, overlap: _Overlap) -> None:
        utterance = overlap.utterance
        if overlap.ended_ms is None and not utterance.is_paused:
            overlap.lasted_ms = self._hearing.position_ms - overlap.began.onset_ms
        is_read = utterance.is_paused and utterance.outcome is not None
        evidence = Evidence(overlap.lasted_ms, utterance.text, is_read)
        match judge(evidence, self._context.policy, self._context.answer_text()):
            case Verdict.HOLD if self._context.floor.state is State.DUCKED:
                self._context.feed(FloorEvent.SPEECH_PERSISTED, None)
            case Verdict.INTERRUPT:
                self._take_floor(overlap)
            case Verdict.DISMISS:
                self._dismiss(overlap)

    def _take_floor(self, overlap: _Overlap) -> None:
        """It interrupts, if there is still something to be interrupted."""
        if self._context.floor.state in OVERLAP or self._context.floor.state in (
            State.THINKING,
            State.SPEAKING,
        ):
            self._overlap = None
            self._tell_start(overlap.began)
            self._context.feed(FloorEvent.BARGED_IN, None)
            self._catch_up(overlap)
        else:
            self._become_turn(overlap)

    def _become_turn(self, overlap: _Overlap) -> None:
        self._overlap = None
        self._tell_start(overlap.began)
        if self._context.floor.state is State.LISTENING:
            self._context.feed(FloorEvent.SPEECH_RESUMED, None)
        self._catch_up(overlap)

    def _catch_up(self, overlap: _Overlap) -> None:
        """What the floor has not been told of it."""
        if overlap.ended_ms is not None:
            self._stopped(overlap.utterance, overlap.ended_ms)
        elif overlap.utterance.is_paused:
            self._paused(overlap.utterance)

    def _dismiss(self, overlap: _Overlap) -> None:
        overlap.stand = _Stand.DISMISSED
        if self._context.floor.state in OVERLAP:
            self._context.feed(FloorEvent.FALSE_ALARM, None)
        if overlap.ended_ms is not None:
            self._forget(overlap)

    def _overlap_goes_on(self, overlap: _Overlap) -> None:
        if overlap.stand is _Stand.OPEN:
            return
        overlap.stand = _Stand.OPEN
        if self._context.floor.state in (State.THINKING, State.SPEAKING):
            self._context.feed(FloorEvent.SPEECH_STARTED, None)
        elif self._context.floor.state is State.LISTENING:
            self._become_turn(overlap)

    def _overlap_stopped(self, overlap: _Overlap, end_ms: int) -> None:
        overlap.ended_ms = end_ms
        if overlap.stand is _Stand.DISMISSED:
            self._forget(overlap)
        elif not overlap.utterance.is_paused:  # it was too long for a pause
            overlap.utterance.pause()
            self._context.read(overlap.utterance)

    def _forget(self, overlap: _Overlap) -> None:
        self._overlap = None
        self._hearing.forget(overlap.utterance)
