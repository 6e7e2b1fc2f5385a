"""What the guards and the router of one run make of the words that it answers.

A guard that objects ends the run; the answer is let out when all of them have let the words pass. What they say of the
person's words is noted in the conversation, once it is certain that the person had finished.
"""

from server.conversation.memory import Entry, Verdict
from server.response.lifecycle import UNCONFIRMED, LifecycleEvent, LifecycleState
from server.response.output import ResponseOutput
from server.response.prompt import Prompt
from server.telemetry.timeline import Timeline
from stageflow.core import StageOutput, StageStatus
from stages.contract import Stop

_BLOCKS = (StageStatus.CANCEL, StageStatus.FAIL)
"""Ends of a guard that leave the gate closed; they end the run."""


class Verdicts:
    """The verdicts of one response's guards and router. Plain calls; one that fails at a stage's end fails the run."""

    def __init__(self, output: ResponseOutput, timeline: Timeline) -> None:
        self._output = output
        self._timeline = timeline
        self._guards: set[str] = set()
        self._asked: Entry | None = None
        self._judged: tuple[Entry, ...] = ()
        self._verdict: Verdict | None = None

    def asked(self, prompt: Prompt) -> None:
        """A run begins that is asked this."""
        self._asked, self._judged = prompt.asked, prompt.judged
        self._note(None)  # what it was before may have been of fewer words

    def expect(self, guards: frozenset[str], now: float) -> None:
        """These stages of it must let the words pass."""
        self._guards = set(guards)
        if not guards:
            self._passed(now)

    def stage_ended(self, name: str, output: StageOutput, now: float) -> None:
        """A stage of the run has ended, or is skipped: whoever does not object lets the words pass."""
        if name not in self._guards or output.status in _BLOCKS:
            return
        self._guards.discard(name)
        if not self._guards:
            self._passed(now)

    def blocked(self, stop: Stop) -> None:
        """A guard has ended the run."""
        self._timeline.guard = "blocked"
        if stop.blames_person:
            if stop.blamed is not None:
                self._judged = tuple(
                    entry for place, entry in enumerate(self._judged) if place in stop.blamed
                )
            self._note("blocked")

    def confirmed(self) -> None:
        """The end of the turn is certain: what is known by now is noted."""
        self._note(self._verdict)

    def routed(self, route: str, now: float) -> None:
        """The router has decided."""
        self._timeline.route = route
        self._timeline.mark("route", now)
        if self._asked is not None and self._is_kept:
            self._asked.route = route

    def _passed(self, now: float) -> None:
        self._timeline.guard = "passed"
        self._note("passed")
        self._timeline.mark("guard", now)
        self._output.feed(LifecycleEvent.GUARD_PASSED)

    def _note(self, verdict: Verdict | None) -> None:
        self._verdict = verdict
        if self._output.lifecycle.state in (*UNCONFIRMED, LifecycleState.DROPPED) or not self._is_kept:
            return  # a pause that is not the end leaves no verdict on what came before, nor does what is out of band
        for entry in self._judged:
            entry.guard = verdict

    @property
    def _is_kept(self) -> bool:
        return self._output.events.response.in_conversation
