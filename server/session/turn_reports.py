"""What is told of every turn when it is over: to the client, to the log, and to whoever counts.

A turn is over when its response has been played out, or was thrown away; it is told of once.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from server.conversation.utterance import Utterance, WordNews, WordsCame
from server.domain.clock import Now
from server.domain.values import ResponseReason
from server.domain.voice_events import EndedBy, InterruptedBy, ProviderUse
from server.output.outbound import Outbound
from server.response.holder import FloorHolder
from server.response.playback import PlaybackReports
from server.response.run import ResponseRun
from server.telemetry.timeline import Timeline
from server.turntaking.floor import RunId
from server.turntaking.floor_table import FloorEvent, State
from server.turntaking.hearing import Hearing
from server.turntaking.question import Question

log = logging.getLogger(__name__)

_INTERRUPTED_BY: dict[ResponseReason | None, InterruptedBy] = {
    "speech": "speech",
    "client": "client",
    None: "timeout",
}


class Observer(Protocol):
    """Counts what happens in all sessions."""

    def turn_ended(self, timeline: Timeline) -> None:
        """A turn is over."""

    def answer_dropped(self) -> None:
        """An answer was begun, and then the person went on."""

    def problem(self, code: str) -> None:
        """A client was told of an error."""

    def impossible_event(self, state: State, event: FloorEvent) -> None:
        """The floor was fed what cannot happen: a bug of the server's."""

    def session_ended(self, close_code: int) -> None:
        """A session is over, for this reason."""


class NoObserver:
    """Counts nothing, for sessions outside of a server."""

    def turn_ended(self, timeline: Timeline) -> None:
        """Do nothing."""

    def answer_dropped(self) -> None:
        """Do nothing."""

    def problem(self, code: str) -> None:
        """Do nothing."""

    def impossible_event(self, state: State, event: FloorEvent) -> None:
        """Do nothing."""

    def session_ended(self, close_code: int) -> None:
        """Do nothing."""


class TurnReports:
    """Reports every turn of one session, by its timeline."""

    def __init__(
        self,
        session_id: str,
        hearing: Hearing,
        outbound: Outbound,
        playback: PlaybackReports,
        holder: FloorHolder,
        observer: Observer,
        now: Now,
        uses: Callable[[tuple[ProviderUse, ...]], tuple[ProviderUse, ...]],
    ) -> None:
        self._session_id = session_id
        self._hearing = hearing
        self._outbound = outbound
        self._playback = playback
        self._holder = holder
        self._observer = observer
        self._now = now
        self._uses = uses
        self._told = RunId(0, 0)
        """The newest run that is over."""

    def begin(self, run: RunId, question: Question, now: float) -> Timeline:
        """Begin the timeline of a run."""
        utterance = question.utterance
        if utterance is None:
            return Timeline(run, now)
        timeline = Timeline(
            run,
            now,
            item_id=utterance.item_id,
            silence_ms=self._hearing.silence_ms,
            heard_by=utterance.reading.calls,
        )
        if utterance.outcome is not None:
            timeline.mark("transcript", now)
        return timeline

    def committed(self, response: ResponseRun, ended_by: EndedBy, now: float) -> None:
        """The response is wanted."""
        response.timeline.commit(response.question.ended_by or ended_by, now)

    def hear_words(self, utterance: Utterance, news: WordNews) -> None:
        """As `WordListener` has it: the words of an utterance are known."""
        response = self._holder.response
        if (
            response is not None
            and response.question.utterance is utterance
            and not isinstance(news, WordsCame)
        ):
            response.timeline.mark("transcript", self._now())

    def interrupted(self, response: ResponseRun, reason: ResponseReason | None) -> None:
        """The response was flushed."""
        response.timeline.interrupted_by = _INTERRUPTED_BY[reason]
        self.over(response)

    def left(self, response: ResponseRun, *, with_all_of_it: bool) -> None:
        """The client is gone, and had been told of the response's end or not."""
        response.timeline.interrupted_by = None if with_all_of_it else "gone"
        self.over(response)

    def over(self, response: ResponseRun) -> None:
        """The run is over, however it ended; the first call counts."""
        timeline = response.timeline
        if timeline.run == self._told:
            return
        self._told = timeline.run
        if not timeline.is_committed:
            self._observer.answer_dropped()
            return
        self._playback.over(response)
        if timeline.response_id is not None:  # a client is told of the turns that it knows of
            self._outbound.put(timeline.ended())
            timed = timeline.timed()
            self._outbound.put(replace(timed, providers=self._uses(timed.providers)))
        log.info("%s", timeline.line(), extra={"session": self._session_id, "turn": timeline.run.turn})
        self._observer.turn_ended(timeline)
