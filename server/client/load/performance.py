"""How a caller goes through a scenario: what it says when, what it waits for, and when it leaves.

Pure. The steps are a generator that goes on with every frame of the caller's mouth.
"""

import random
from collections.abc import Generator, Iterator, Sequence
from enum import Enum, auto

from server.client.load.answers import Answer
from server.client.load.ear import Ear
from server.client.load.line import Line, LineState
from server.client.load.mouth import FRAME_S, Mouth
from server.client.load.script import (
    Backchannel,
    BargeIn,
    Cut,
    HalfOpen,
    HangUp,
    Music,
    Noise,
    ReadSlowly,
    Resume,
    Say,
    Scenario,
    Silence,
    Step,
    Typed,
)
from server.client.load.turn_book import TurnBook, judge
from server.client.load.turns import Kind, Outcome, Turn
from server.client.load.wire import Target, Wire

SETTLE_S = 60.0
"""The longest answer that is heard out."""

QUIET_S = 0.5
"""An answer that was cut is silent when no sound of it was heard for so long."""

GOES_ON_S = 0.3
"""An answer whose line is back is heard again after so long at most."""

LAST_S = 0.5
"""How long a caller listens for more when all has been said and answered."""


class Wish(Enum):
    """What a caller wants of its connection."""

    TALK = auto()
    HANG_UP = auto()
    CUT = auto()


class Performance:
    """One scenario, by one caller. Every step of `steps` is a frame, at `now_s`."""

    def __init__(
        self,
        target: Target,
        scenario: Scenario,
        mouth: Mouth,
        ear: Ear,
        book: TurnBook,
        chance: random.Random,
        called_tools: Sequence[str] = (),
    ) -> None:
        """`chance` decides how long the caller thinks; `called_tools` grows with each that the server calls."""
        self._target = target
        self._scenario = scenario
        self._mouth = mouth
        self._ear = ear
        self._book = book
        self._chance = chance
        self.now_s = 0.0
        """When the frame is due that comes next; set by the caller."""
        self._called_tools = called_tools
        self.outbox: list[Wire] = [*target.opening(), *target.declare(scenario.tools)]
        """What is to be sent besides the frames."""
        self.wish = Wish.TALK
        self.line = Line()

    def steps(self) -> Iterator[None]:
        """The whole scenario; ends when all has been said and heard, or when the caller wishes to leave."""
        for number, step in enumerate(self._scenario.steps):
            if not isinstance(step, BargeIn | Backchannel | Resume):
                yield from self._hear_out()
                if number:
                    yield from self._pass(self._chance.uniform(*self._scenario.think_ms) / 1000)
                    yield from self._hear_out()
            yield from self._do(number, step)
            if self.wish is not Wish.TALK:
                return
        yield from self._hear_out()
        yield from self._pass(LAST_S)
        yield from self._hear_out()

    def _do(self, number: int, step: Step) -> Iterator[None]:
        match step:
            case Say():
                yield from self._speak(number, step)
            case Typed():
                yield from self._type(number, step)
            case BargeIn() | Backchannel():
                yield from self._talk_over(number, step)
            case Noise() | Music():
                yield from self._make_noise(number, step)
            case Silence():
                turn = self._book.begin(number, Kind.NOTHING, self.now_s, self.now_s)
                yield from self._pass(step.silence_ms / 1000)
                if step.expect is not None:
                    self._book.expected_nothing(turn)
            case _:
                yield from self._do_to_the_line(number, step)

    def _do_to_the_line(
        self, number: int, step: Resume | HalfOpen | ReadSlowly | HangUp | Cut
    ) -> Iterator[None]:
        match step:
            case Resume():
                yield from self._lose_the_line(number, step)
            case HalfOpen():
                yield from self._fall_silent(number, step)
            case ReadSlowly():
                self.line.reads_from_s = self.now_s + step.read_slowly_ms / 1000
                yield from self._pass(step.read_slowly_ms / 1000)
            case HangUp() | Cut():
                self.wish = Wish.HANG_UP if isinstance(step, HangUp) else Wish.CUT

    def _speak(self, number: int, step: Say) -> Iterator[None]:
        kind = Kind.NOTHING if step.expect == "nothing" else Kind.RESPOND
        turn = self._book.begin(number, kind, *self._mouth.say(number))
        while self._mouth.is_speaking:
            yield
        if step.expect == "nothing":
            yield from self._pass(step.within_ms / 1000)
            self._book.expected_nothing(turn)
        elif step.expect == "respond":
            yield from self._await_answer(turn, step.within_ms, step.calls)

    def _type(self, number: int, step: Typed) -> Iterator[None]:
        self.outbox.extend(self._target.typed(step.type))
        if step.expect is not None:
            turn = self._book.begin(number, Kind.TYPED, self.now_s, self.now_s)
            yield from self._await_answer(turn, step.within_ms, step.calls)

    def _make_noise(self, number: int, step: Noise | Music) -> Iterator[None]:
        turn = self._book.begin(number, Kind.NOTHING, *self._mouth.say(number))
        while self._mouth.is_speaking:
            yield
        yield from self._pass(step.within_ms / 1000)
        if step.expect is not None:
            self._book.expected_nothing(turn)

    def _await_answer(self, turn: Turn, within_ms: int, calls: str | None = None) -> Iterator[None]:
        """Until an answer to this is heard, and a tool was called; or it is too late for one."""
        until_s, before = turn.said_s[1] + within_ms / 1000, len(self._called_tools)
        while (answer := self._answer_since(turn.said_s[0])) is None and self.now_s < until_s:
            yield
        self._book.answered(turn, answer)
        if calls is not None:
            while calls not in self._called_tools[before:] and self.now_s < until_s:
                yield
            turn.has_missed_tool = calls not in self._called_tools[before:]

    def _middle_of_answer(
        self, number: int, kind: Kind, after_ms: int
    ) -> Generator[None, None, Answer | None]:
        """So long after an answer began to be heard. Gives it, or None and tells why."""
        answer = self._ear.newest
        if answer is None or answer.heard_s is None:
            self._book.discard(number, kind, self.now_s, "no answer to talk over")
            return None
        while self.now_s < answer.heard_s + after_ms / 1000 + FRAME_S:
            yield
        if self._is_over(answer):
            self._book.discard(number, kind, self.now_s, "the answer had ended before")
            return None
        return answer

    def _lose_the_line(self, number: int, step: Resume) -> Iterator[None]:
        answer = yield from self._middle_of_answer(number, Kind.LINE, step.resume.after_ms)
        if answer is None:
            return
        turn, away_s = self._book.begin(number, Kind.LINE, self.now_s, self.now_s), step.resume.away_ms / 1000
        dry, until_s = len(answer.dry_ms), self.now_s + away_s + step.within_ms / 1000
        self.line.cut(away_s)
        while self.line.state is not LineState.BACK and self.now_s < until_s:
            yield
        if self.line.state is LineState.BACK:
            turn.resume_ms = self.line.return_ms
            yield from self._pass(GOES_ON_S)
            # The silence is the script's doing: it is told as such, and is no gap.
            turn.outage_silence_ms = sum(answer.dry_ms[dry:])
            del answer.dry_ms[dry:]
        else:
            turn.outcome, turn.reason = Outcome.MISSED, "the line did not come back"
        self._book.add(turn)

    def _fall_silent(self, number: int, step: HalfOpen) -> Iterator[None]:
        turn, self.line.state = self._book.begin(number, Kind.LINE, self.now_s, self.now_s), LineState.UP
        self.line.dead_until_s = self.now_s + step.half_open_ms / 1000
        self.line.may_end = step.expect == "closed"
        yield from self._pass((step.half_open_ms + step.within_ms) / 1000)
        is_kept = (
            self.line.state is not LineState.LOST
            if step.expect == "kept"
            else self.line.state is LineState.UP
        )
        if is_kept != (step.expect == "kept"):
            turn.outcome, turn.reason = Outcome.MISSED, f"the line was expected to be {step.expect}"
        self.line.may_end = False
        self._book.add(turn)

    def _talk_over(self, number: int, step: BargeIn | Backchannel) -> Iterator[None]:
        over = step.barge_in if isinstance(step, BargeIn) else step.backchannel
        kind = Kind.STOP if step.expect == "stop" else Kind.IGNORE
        answer = yield from self._middle_of_answer(number, kind, over.after_ms)
        if answer is None:
            return
        said_s = self._mouth.say(number)
        turn = self._book.begin(number, kind, *said_s)
        yield from self._watch(turn, answer, step.within_ms)
        self._book.add(turn)
        while self._mouth.is_speaking:
            yield
        if isinstance(step, BargeIn) and step.answered and turn.outcome is not Outcome.MISSED:
            yield from self._await_answer(self._book.begin(number, Kind.RESPOND, *said_s), 10_000)

    def _watch(self, turn: Turn, answer: Answer, within_ms: int) -> Iterator[None]:
        """See what becomes of an answer that is talked over."""
        began_s, ended_s = turn.said_s
        until_s = (began_s if turn.kind is Kind.STOP else ended_s) + within_ms / 1000
        while self.now_s < until_s and not self._is_over(answer):
            yield
        judge(turn, answer, is_over=self._is_over(answer), tells_ends=self._target.tells_ends)

    def _hear_out(self) -> Iterator[None]:
        until_s = self.now_s + SETTLE_S
        while not self._ear.is_quiet and self.now_s < until_s:
            yield
        self._book.settle()

    def _pass(self, seconds: float) -> Iterator[None]:
        until_s = self.now_s + seconds
        while self.now_s < until_s - 1e-9:
            yield

    def _answer_since(self, began_s: float) -> Answer | None:
        """The first answer that came and was heard after the person began to speak."""
        for answer in self._ear.answers:
            if answer.heard_s is not None and answer.heard_s > began_s and answer.arrived_s > began_s:
                return answer
        return None

    def _is_over(self, answer: Answer) -> bool:
        """Whether no more of it will be heard: it was cut, or all of it was heard."""
        if answer.last_heard_s is not None and self.now_s - answer.last_heard_s < QUIET_S:
            return False
        newer = answer is not self._ear.newest
        return answer.flushed_s is not None or newer or self._ear.is_quiet
