"""Hearing by what a recogniser says that finds the ends of turns itself.

Theory of operation
-------------------
All audio of the session goes to the recogniser's stream, and what the stream says makes the pauses and the ends of
utterances: an early end pauses one, `TurnResumed` takes it back, `TurnOver` ends it. The detector goes on listening.
It begins utterances, over an answer it alone, so that an interruption does not wait for a word and the agent's own
voice in the microphone is none; and it ends the sounds of which the recogniser says nothing. An utterance has one end,
whoever brings it: what the recogniser still says of it belongs to it, and no later utterance is given its words.

When the stream fails, the utterance that goes on is given to the recogniser of cut utterances, and the detector finds
the ends, until another stream is opened after a later utterance.
"""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from audio.endpoint import SoftEnd, SpeechEnded, SpeechResumed, SpeechStarted
from audio.formats import SPEECH_HZ, ms_to_samples, samples_to_ms
from audio.listener import Heard
from audio.vad import Detector
from server.conversation.utterance import Utterance
from server.conversation.utterances import Utterances
from server.domain.values import SessionConfig
from server.turntaking.hearing import Hearing
from server.turntaking.speech_events import (
    SoundPaused,
    SpeechBegan,
    SpeechEvent,
    SpeechOver,
    SpeechPaused,
    SpeechWentOn,
)
from server.turntaking.stream_hearing import AGAIN_MS, LONGEST_MS, StreamHearing
from server.turntaking.told_words import OnPartial, ToldRecognition
from stages.ports import (
    OwnsTurns,
    Partial,
    Recogniser,
    Recognition,
    SpeechHints,
    Transcript,
    TurnBegan,
    TurnEndsEarly,
    TurnEvent,
    TurnHeard,
    TurnOver,
    TurnRecogniser,
    TurnResumed,
    TurnsFailed,
)
from stages.providers.calls import label_alike, label_of

log = logging.getLogger(__name__)

UNHEARD_MS = 1500
"""Silence that ends a sound of which the recogniser has said nothing: more than it needs for its first word."""


def hearing_with(recogniser: Recogniser) -> Callable[..., Hearing]:
    """Makes what a session hears with, which is up to who finds the ends of turns."""
    turns = None
    if hasattr(recogniser, "turns") and isinstance(recogniser, OwnsTurns):  # the second takes 50 µs
        turns = recogniser.turns
    if turns is None:
        return Hearing
    if label_of(turns) is None:
        label_alike(turns, recogniser)
    return partial(TurnHearing, turns)


class TurnHearing(StreamHearing):
    """What one session hears, and when the recogniser says that a turn ends."""

    def __init__(
        self,
        turns: TurnRecogniser,
        utterances: Utterances,
        vad: Detector,
        config: SessionConfig,
        **options: Any,
    ) -> None:
        """As `StreamHearing`."""
        self._start_sample = 0
        """Where the newest utterance begins."""
        self._over_sample = 0
        """Where the one before it was over: none begins earlier, however late the detector is."""
        self._resumed_sample: int | None = None
        """Where the voice came back that the detector hears now, after a pause within the utterance."""
        self._owner: ToldRecognition | None = None
        """Whose the words are that come: the newest utterance's, as long as there are some to come."""
        self._agent_is_audible = False
        super().__init__(turns, utterances, vad, config, **options)

    # --- from outside ---------------------------------------------------------------------------------------

    def set_agent_audible(self, is_audible: bool) -> None:
        """As `Hearing` has it; what only the recogniser has heard over the agent's voice begins no utterance later."""
        if self._agent_is_audible and not is_audible and self.current is None:
            self._running.spend()
        self._agent_is_audible = is_audible
        super().set_agent_audible(is_audible)

    def forget(self, utterance: Utterance) -> None:
        """As `Hearing` has it; its words are nobody's."""
        if utterance is self.current:
            self._running.spend()
            self._owner = None
        super().forget(utterance)

    # --- the detector ---------------------------------------------------------------------------------------

    def _heard(self, heard: Heard) -> Iterator[SpeechEvent]:
        if isinstance(heard, SpeechStarted):
            start = max(heard.start_sample, self._over_sample)
            heard = SpeechStarted(start, max(start, heard.onset_sample))
        if not self.finds_turns:
            yield from super()._heard(heard)
            return
        match heard:
            case SpeechStarted() if self.current is not None:
                self._voice_ended_ms = None  # the recogniser was first
            case SoftEnd(last_voiced_sample=last) if self.current is not None:
                self._resumed_sample = None
                self._voice_ended_ms = samples_to_ms(last, SPEECH_HZ)
                yield from self._sound_paused(self.current, self._voice_ended_ms)
            case SpeechResumed(pause_samples=pause, onset_sample=onset) if self.current is not None:
                self._voice_ended_ms = None
                self._resumed_sample = onset
                if not _has_words(self._owner):
                    yield from self._resumed(self.current, samples_to_ms(pause, SPEECH_HZ))
            case SpeechEnded(end_sample=end):
                if self.current is not None:
                    yield SpeechOver(self._take(), samples_to_ms(end, SPEECH_HZ))
            case _:
                if isinstance(heard, SpeechStarted):
                    self._start_sample, self._resumed_sample = heard.start_sample, None
                yield from super()._heard(heard)

    def _sound_paused(self, current: Utterance, ended_ms: int) -> Iterator[SpeechEvent]:
        if _has_words(self._owner):
            self._listener.confirm_after(LONGEST_MS)
            return
        self._listener.confirm_after(UNHEARD_MS)
        if not current.is_paused:
            current.pause()
            assert self._owner is not None, "the newest utterance is the owner"
            self._owner.pause()
            yield SoundPaused(current, ended_ms)

    def _resumed(self, current: Utterance, pause_ms: int) -> Iterator[SpeechEvent]:
        if current.is_paused:
            if self._owner is not None:
                self._owner.resume()
            current.resume()
            yield SpeechWentOn(current, pause_ms)

    # --- the recogniser -------------------------------------------------------------------------------------

    def _told(self, event: TurnEvent) -> Iterator[SpeechEvent]:
        if self._owner is not None and self.current is None and not self._owner.is_awaited:
            self._owner = None  # its utterance is over: what comes now is another's
            self._running.spend()
        match event:
            case TurnBegan(at_sample=at):
                self._running.begin(self._base_sample + at)
            case TurnHeard():
                yield from self._told_words(self._running.heard(event))
            case TurnEndsEarly(transcript=transcript, at_sample=at):
                yield from self._told_end(self._running.told(transcript), at, is_certain=False)
            case TurnResumed():
                if self.current is not None:
                    yield from self._resumed(self.current, self.silence_ms)
            case TurnOver(transcript=transcript, at_sample=at):
                yield from self._told_end(self._running.told(transcript), at, is_certain=True)
                self._running.begin()
            case TurnsFailed(error=error):
                log.warning("the recogniser of turns has failed: %s", error)
                yield from self._fall_back()

    def _told_words(self, partial: Partial) -> Iterator[SpeechEvent]:
        if not partial.text:
            return
        yield from self._begun()
        if self._owner is None:
            return
        if self.current is not None and not self._owner.is_awaited:
            yield from self._resumed(self.current, self.silence_ms)
            self._listener.confirm_after(LONGEST_MS)
        self._owner.hear(partial)

    def _begun(self) -> Iterator[SpeechEvent]:
        """See that the words have an utterance that they belong to."""
        if self._owner is None and not self._manual and not self._agent_is_audible:
            self._start_sample = self._running.began_sample or 0
            began_ms = samples_to_ms(self._start_sample, SPEECH_HZ)
            self.current = self._open()
            yield SpeechBegan(self.current, began_ms, began_ms)

    def _told_end(self, transcript: Transcript, at: int, *, is_certain: bool) -> Iterator[SpeechEvent]:
        if not transcript.text:
            return  # the detector ends what has no words
        yield from self._begun()
        owner, current, began = self._owner, self.current, self._running.began_sample or 0
        if owner is None:
            return
        if self._manual or owner.is_awaited or current is None:
            if is_certain:
                owner.add(transcript, began)
            return
        if current.is_paused and owner.text != transcript.text:
            yield from self._resumed(
                current, self.silence_ms
            )  # what was transcribed in the pause was not all
        if self.current is not current:
            return
        owner.know(transcript, began)
        if is_certain:
            self._running.began_sample = None
            yield SpeechOver(self._take(), self.position_ms)
            yield from self._goes_on()
        elif not current.is_paused:
            current.pause()
            ended_ms = samples_to_ms(self._base_sample + at, SPEECH_HZ)
            yield SpeechPaused(current, min(ended_ms, self.position_ms))

    def _goes_on(self) -> Iterator[SpeechEvent]:
        """A turn has ended. The person who speaks after a pause by now has begun another."""
        began, self._resumed_sample = self._resumed_sample, None
        if began is None or self.current is not None or not self._listener.is_speaking:
            self._listener.abandon_utterance()
            return
        self._start_sample, began_ms = began, samples_to_ms(began, SPEECH_HZ)
        self.current = self._open()
        yield SpeechBegan(self.current, began_ms, began_ms)

    # --- utterances and streams -----------------------------------------------------------------------------

    def open(self, on_partial: OnPartial | None = None, *, hints: SpeechHints = SpeechHints()) -> Recognition:
        """As `Recogniser` has it, for the newest utterance of the stream."""
        if self._owner is not None:
            self._running.spend()  # an utterance before this one has ended, in the middle of the turn
        self._owner = ToldRecognition(on_partial, self._start_sample, self._running.fresh)
        return self._owner

    def _take(self) -> Utterance:
        utterance = super()._take()
        self._over_sample = ms_to_samples(self.position_ms, SPEECH_HZ)
        if self._stream is None:
            if self.position_ms - self._failed_ms >= AGAIN_MS:
                self._open_stream()
        elif self._owner is not None:
            is_running = self._running.began_sample is not None
            self._owner.end(is_forced=self._manual or is_running)
            if is_running:
                self._stream.end_turn()
        return utterance

    def _drop(self) -> None:
        self._owner = None
        self._running.spend()
        super()._drop()

    def _fall_back(self) -> Iterator[SpeechEvent]:
        """Let the server find the ends of turns."""
        owner, self._owner = self._owner, None
        self._running.begin()
        self._stream_failed()
        if owner is not None:
            owner.fail_over(self._utterances.recogniser)
        if self.current is not None and not self._manual and not self._listener.is_speaking:
            yield SpeechOver(self._take(), self.position_ms)  # nobody else would end it


def _has_words(owner: ToldRecognition | None) -> bool:
    """Whether the recogniser has heard some of the utterance."""
    return owner is not None and bool(owner.text)
