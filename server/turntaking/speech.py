"""What the person's speech means: what was heard becomes events of the floor, and the client is told.

Theory of operation
-------------------
Speech while nobody answers opens a turn, and a pause in it lets the floor prepare an answer. With semantic turn
detection, what has been read of the words by then decides how long the pause must last to be the end
(`server.turntaking.endpointing`); every new reading decides anew.

Speech during an answer is an *overlap*. Clients that can lower and hold the voice are asked to, until `judge`
has made up its mind by what is known: how long the sound lasts, and its words as far as they are read. If it
interrupts, it becomes a turn, with all of its audio; if it does not, it is forgotten. For other clients every
overlap of an answer that can be heard is an interruption, as their protocol has it; while there is nothing to hear yet,
a cough or a door must not cost the answer, and words are waited for.
"""

from server.conversation.utterance import Utterance
from server.domain import events as ev
from server.domain.values import SessionConfig
from server.domain.voice_events import EndedBy
from server.turntaking.endpointing import EAGERNESS, Evidence, Pauses, silence_ms
from server.turntaking.floor_table import Fact, FloorCommand, FloorEvent
from server.turntaking.happened import Happened
from server.turntaking.hearing import (
    Hearing,
    SpeechBegan,
    SpeechEvent,
    SpeechPaused,
    SpeechStopped,
    SpeechWentOn,
)
from server.turntaking.overlaps import Overlap, Overlaps, SpeechContext
from server.turntaking.question import Question


class Speech:
    """The person's half of one session. Plain calls; nothing here waits."""

    def __init__(self, hearing: Hearing, context: SpeechContext) -> None:
        self._hearing = hearing
        self._context = context
        self.ended_by: EndedBy = "client"
        """What ended the newest utterance that is over."""
        self._overlaps = Overlaps(hearing, context, self._catch_up)
        self._untold: Utterance | None = None
        """Speech in a protected part of an answer: the client sees it as one that was committed by hand."""
        self._pauses = Pauses()
        self._questions = context.end_of_turn.open(self._heard_end) if context.end_of_turn else None
        self._finished: float | None = None
        """What the end-of-turn model makes of this pause."""

    def push(self, data: bytes) -> None:
        """More audio from the client. The hot path. Raises ClientError as `Hearing.push` does."""
        for heard in self._hearing.push(data):
            self._obey(heard)
        self._overlaps.weigh_newest()

    def configure(self, config: SessionConfig) -> None:
        """Hear by another configuration; raises ClientError, and then nothing has changed."""
        was_speaking = self._hearing.is_speaking
        self._hearing.configure(config)
        if was_speaking and not self._hearing.is_speaking:
            self._abandon()

    def commit(self, ended_by: EndedBy = "client") -> None:
        """The utterance ends here, mostly because the client says so, who then asks for an answer when it wants one.

        Raises ClientError when there is too little of it.
        """
        utterance, ended_ms = self._hearing.commit()
        self.ended_by = ended_by
        overlap = self._overlaps.of(utterance)
        if overlap is not None:
            overlap.ended_ms, overlap.ended_by = ended_ms, ended_by
            self._overlaps.take_floor(overlap)
        elif ended_ms is not None:
            self._stopped(utterance, ended_ms, ended_by)
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
            self._context.feed(Happened(FloorEvent.SPEECH_NOTED))

    def weigh(self, utterance: Utterance) -> None:
        """More of its words are known."""
        overlap = self._overlaps.of(utterance)
        if overlap is None:
            self._set_wait(utterance)
        else:
            self._overlaps.weigh(overlap)

    def close(self) -> None:
        """Let go of the recogniser and of the end-of-turn model."""
        self._hearing.close()
        if self._questions is not None:
            self._questions.close()

    def floor_is_free(self) -> None:
        """The answer is over: a sound made over it that has not been judged is a turn."""
        self._overlaps.next_turn()

    def obey(self, command: FloorCommand, began: SpeechBegan) -> None:
        """What the floor says to do about speech that has started."""
        match command:
            case FloorCommand.TELL_START:
                self._context.put(ev.SpeechStarted(began.utterance.item_id, began.audio_start_ms))
            case FloorCommand.HIDE_START:
                self._untold = began.utterance
            case FloorCommand.WEIGH:
                self._overlaps.begin(began)

    # --- turns --------------------------------------------------------------------------------------------

    def _obey(self, heard: SpeechEvent) -> None:
        overlap = self._overlaps.of(heard.utterance)
        match heard:
            case SpeechBegan():
                self._began(heard)
            case SpeechPaused(utterance=utterance, voice_ended_ms=ended_ms):
                if overlap is not None:
                    self._overlaps.pause(overlap, ended_ms)
                else:
                    self._paused(utterance)
            case SpeechWentOn(pause_ms=pause_ms):
                self._went_on(pause_ms)
                if overlap is None:
                    self._context.feed(Happened(FloorEvent.SPEECH_RESUMED))
            case SpeechStopped(utterance=utterance, audio_end_ms=end_ms):
                self.ended_by = "semantic" if self._is_semantic() else "silence"
                if overlap is not None:
                    self._overlaps.end(overlap, end_ms)
                else:
                    self._stopped(utterance, end_ms, self.ended_by)

    def _began(self, heard: SpeechBegan) -> None:
        context, detection = self._context, self._context.detection()
        held = {
            Fact.UNINTERRUPTIBLE: detection is not None and not detection.interrupt_response,
            Fact.PROTECTED: context.answer_heard_ms() < context.policy.protect_ms,
            Fact.HOLDS_VOICE: context.holds_voice,
        }
        facts = frozenset(fact for fact, holds in held.items() if holds)
        context.feed(Happened(FloorEvent.SPEECH_STARTED, facts, sound=heard))

    def _paused(self, utterance: Utterance) -> None:
        self._finished = None
        self._set_wait(utterance)
        if self._questions is not None and self._is_semantic():
            self._questions.ask(utterance.recent())
        if self._wants_response():
            self._feed_question(FloorEvent.SPEECH_PAUSED, utterance)

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
        if utterance is not self._hearing.current or not utterance.is_paused:
            return  # it is over, or forgotten, and its words have come too late to matter
        if detection is None or not self._is_semantic():
            return
        evidence = Evidence(
            text=utterance.text or None,
            expects=self._context.expects(),
            finished=self._finished,
            pause_ms=self._pauses.mean_ms,
        )
        self._hearing.confirm_after(silence_ms(evidence, EAGERNESS[detection.eagerness]))

    def _stopped(self, utterance: Utterance, end_ms: int, ended_by: EndedBy) -> None:
        if self._questions is not None:
            self._questions.drop()
        if utterance is not self._untold:
            self._context.put(ev.SpeechStopped(utterance.item_id, end_ms))
        self._context.take(utterance)
        if ended_by != "client" and self._wants_response():
            self._feed_question(FloorEvent.SPEECH_ENDED, utterance)
        else:
            self._note(utterance)

    def _note(self, utterance: Utterance) -> None:
        self._context.read(utterance)
        self._context.feed(Happened(FloorEvent.SPEECH_NOTED))

    def _is_semantic(self) -> bool:
        detection = self._context.detection()
        return detection is not None and detection.kind == "semantic_vad"

    def _wants_response(self) -> bool:
        detection = self._context.detection()
        return detection is not None and detection.create_response

    def _feed_question(self, event: FloorEvent, utterance: Utterance) -> None:
        self._context.feed(Happened(event, question=Question(utterance=utterance)))

    def _abandon(self) -> None:
        """The utterance is gone without an end."""
        if not self._overlaps.abandon():
            self._context.feed(Happened(FloorEvent.SPEECH_NOTED))

    def _catch_up(self, overlap: Overlap) -> None:
        """It is a turn: tell the floor what it has not been told of it."""
        if overlap.ended_ms is not None:
            self._stopped(overlap.utterance, overlap.ended_ms, overlap.ended_by)
        elif overlap.utterance.is_paused:
            self._paused(overlap.utterance)
        else:
            self._context.feed(Happened(FloorEvent.SPEECH_RESUMED))
