"""What decides: what was heard of the person's speech becomes events of the floor, and the client is told.

Theory of operation
-------------------
Speech while nobody answers opens a turn, and a pause in it lets the floor prepare an answer. With semantic turn
detection, what has been transcribed by then decides how long the pause must last to be the end
(`server.turntaking.pauses`); every new transcript decides anew.

Speech during an answer is an *overlap*. Clients that can lower and hold the voice are asked to, until `judge`
has made up its mind by what is known: how long the sound lasts, and its words as far as they are transcribed. If it
interrupts, it becomes a turn, with all of its audio; if it does not, it is forgotten. For other clients every
overlap of an answer that can be heard is an interruption, as their protocol has it; while there is nothing to hear yet,
a cough or a door must not cost the answer, and words are waited for.
"""

from server.conversation.utterance import Utterance, WordNews, WordsSettled
from server.domain import events as ev
from server.domain.voice_events import EndedBy
from server.turntaking.echo import EchoEar
from server.turntaking.floor_table import Fact, FloorCommand, FloorEvent
from server.turntaking.happened import Happened
from server.turntaking.hearing import Hearing
from server.turntaking.overlaps import Overlap, Overlaps, SpeechContext
from server.turntaking.pauses import PauseLength
from server.turntaking.question import Question
from server.turntaking.speech_events import (
    SoundPaused,
    SpeechBegan,
    SpeechEvent,
    SpeechOver,
    SpeechPaused,
    SpeechWentOn,
)


class Speech:
    """Decides what the person's speech means for the floor of one session. Plain calls; nothing here waits."""

    def __init__(self, hearing: Hearing, context: SpeechContext) -> None:
        self._context = context
        self.ended_by: EndedBy = "client"
        """What ended the newest utterance that is over."""
        self.echo = EchoEar(context.answer, hearing, context.config)
        self.overlaps = Overlaps(hearing, context, self.echo, self._catch_up)
        self._pause = PauseLength(hearing, context.conversation, context.config, context.end_of_turn)
        self._untold: Utterance | None = None
        """Speech in a protected part of an answer: the client sees it as one that was committed by hand."""

    def heard(self, heard: SpeechEvent) -> None:
        """The detector has heard something."""
        overlap = self.overlaps.of(heard.utterance)
        match heard:
            case SpeechBegan():
                self._began(heard)
            case SpeechPaused(utterance=utterance, voice_ended_ms=ended_ms):
                if overlap is not None:
                    self.overlaps.pause(overlap, ended_ms)
                else:
                    self._paused(utterance)
            case SoundPaused(voice_ended_ms=ended_ms):
                if overlap is not None:
                    self.overlaps.pause(overlap, ended_ms)
            case SpeechWentOn(pause_ms=pause_ms):
                self._pause.went_on(pause_ms)
                if overlap is None:
                    self._context.inbox.feed(Happened(FloorEvent.SPEECH_RESUMED))
            case SpeechOver(utterance=utterance, audio_end_ms=end_ms):
                self.ended_by = self._pause.decided_by
                if overlap is not None:
                    self.overlaps.end(overlap, end_ms)
                else:
                    self._stopped(utterance, end_ms, self.ended_by)

    def committed(self, utterance: Utterance, ended_ms: int | None, ended_by: EndedBy) -> None:
        """The utterance ends here by somebody's word; `ended_ms` is where the detector had it end, if it did."""
        self.ended_by = ended_by
        overlap = self.overlaps.of(utterance)
        if overlap is not None:
            overlap.ended_ms, overlap.ended_by = ended_ms, ended_by
            self.overlaps.take_floor(overlap)
        elif ended_ms is not None:
            self._stopped(utterance, ended_ms, ended_by)
        else:
            self._context.spoken.take(utterance)
            self._note(utterance)

    def abandon(self) -> None:
        """The utterance that was going on is gone without an end."""
        if not self.overlaps.abandon():
            self.gone()

    def gone(self) -> None:
        """Nobody speaks, and nothing is to be answered."""
        self._context.inbox.feed(Happened(FloorEvent.SPEECH_NOTED))

    def hear_words(self, utterance: Utterance, news: WordNews) -> None:
        """As `WordListener` has it: more of its words are known."""
        if isinstance(news, WordsSettled):
            return  # it is over
        overlap = self.overlaps.of(utterance)
        if overlap is None:
            self._pause.decide(utterance)
        else:
            self.overlaps.weigh(overlap)

    def close(self) -> None:
        """Let go of the end-of-turn model."""
        self._pause.close()

    def obey(self, command: FloorCommand, began: SpeechBegan) -> None:
        """What the floor says to do about speech that has started."""
        match command:
            case FloorCommand.TELL_START:
                self._context.outbound.put(ev.SpeechStarted(began.utterance.item_id, began.audio_start_ms))
            case FloorCommand.HIDE_START:
                self._untold = began.utterance
            case FloorCommand.WEIGH:
                self.overlaps.begin(began)

    def _began(self, heard: SpeechBegan) -> None:
        context, detection = self._context, self._context.config.detection
        self.echo.began(heard.utterance, heard.onset_ms)
        held = {
            Fact.UNINTERRUPTIBLE: detection is not None and not detection.interrupt_response,
            Fact.PROTECTED: context.answer.heard_ms < context.policy.protect_ms,
            Fact.HOLDS_VOICE: context.holds_voice or self.echo.is_known,
        }
        facts = frozenset(fact for fact, holds in held.items() if holds)
        context.inbox.feed(Happened(FloorEvent.SPEECH_STARTED, facts, sound=heard))

    def _paused(self, utterance: Utterance) -> None:
        self._pause.began(utterance)
        if self._context.config.wants_response:
            self._context.inbox.feed(
                Happened(FloorEvent.SPEECH_PAUSED, question=Question(utterance=utterance))
            )

    def _stopped(self, utterance: Utterance, end_ms: int, ended_by: EndedBy) -> None:
        self._pause.ended()
        if utterance is not self._untold:
            self._context.outbound.put(ev.SpeechStopped(utterance.item_id, end_ms))
        self._context.spoken.take(utterance)
        if ended_by != "client" and self._context.config.wants_response:
            self._context.inbox.feed(
                Happened(FloorEvent.SPEECH_ENDED, question=Question(utterance=utterance))
            )
        else:
            self._note(utterance)

    def _note(self, utterance: Utterance) -> None:
        self._context.spoken.transcribe(utterance)
        self.gone()

    def _catch_up(self, overlap: Overlap) -> None:
        """It is a turn: tell the floor what it has not been told of it."""
        if overlap.ended_ms is not None:
            self._stopped(overlap.utterance, overlap.ended_ms, overlap.ended_by)
        elif overlap.utterance.is_paused:
            self._paused(overlap.utterance)
        else:
            self._context.inbox.feed(Happened(FloorEvent.SPEECH_RESUMED))
