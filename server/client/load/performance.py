"""How a caller goes through a scenario: what it says when, what it waits for, and when it leaves.

Pure. The steps are a generator that goes on with every frame of the caller's mouth.
"""

import random
from collections.abc import Iterator
from enum import Enum, auto

from server.client.load.answers import Answer
from server.client.load.ear import Ear
from server.client.load.mouth import FRAME_S, Mouth
from server.client.load.script import (
    Backchannel,
    BargeIn,
    Cut,
    HangUp,
    Noise,
    ReadSlowly,
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
    ) -> None:
        """`chance` decides how long the caller thinks."""
        self._target = target
        self._scenario = scenario
        self._mouth = mouth
        self._ear = ear
        self._book = book
        self._chance = chance
        self.now_s = 0.0
        """When the frame is due that comes next; set by the caller."""
        self.outbox: list[Wire] = list(target.opening())
        """What is to be sent besides the frames."""
        self.wish = Wish.TALK
        self.reads_from_s = 0.0
        """Until then nothing is to be taken from the socket."""

    def steps(self) -> Iterator[None]:
        """The whole scenario; ends when all has been said and heard, or when the caller wishes to leave."""
        for number, step in enumerate(self._scenario.steps):
            if not isinstance(step, BargeIn | Backchannel):
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
            case Noise():
                yield from self._make_noise(number, step)
            case Silence():
                turn = self._book.begin(number, Kind.NOTHING, self.now_s, self.now_s)
                yield from self._pass(step.silence_ms / 1000)
                if step.expect is not None:
                    self._book.expected_nothing(turn)
            case ReadSlowly():
                self.reads_from_s = self.now_s + step.read_slowly_ms / 1000
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
            yield from self._await_answer(turn, step.within_ms)

    def _type(self, number: int, step: Typed) -> Iterator[None]:
        self.outbox.extend(self._target.typed(step.type))
        if step.expect is not None:
            turn = self._book.begin(number, Kind.TYPED, self.now_s, self.now_s)
            yield from self._await_answer(turn, step.within_ms)

    def _make_noise(self, number: int, step: Noise) -> Iterator[None]:
        turn = self._book.begin(number, Kind.NOTHING, *self._mouth.say(number))
        while self._mouth.is_speaking:
            yield
        yield from self._pass(step.within_ms / 1000)
        if step.expect is not None:
            self._book.expected_nothing(turn)

    def _await_answer(self, turn: Turn, within_ms: int) -> Iterator[None]:
        """Until an answer to this is heard, or it is too late for one."""
        until_s = turn.said_s[1] + within_ms / 1000
        while (answer := self._answer_since(turn.said_s[0])) is None and self.now_s < until_s:
            yield
        self._book.answered(turn, answer)

    def _talk_over(self, number: int, step: BargeIn | Backchannel) -> Iterator[None]:
        over = step.barge_in if isinstance(step, BargeIn) else step.backchannel
        answer = self._ear.newest
        kind = Kind.STOP if step.expect == "stop" else Kind.IGNORE
        if answer is None or answer.heard_s is None:
            self._book.discard(number, kind, self.now_s, "no answer to talk over")
            return
        while self.now_s < answer.heard_s + over.after_ms / 1000 + FRAME_S:
            yield
        if self._is_over(answer):
            self._book.discard(number, kind, self.now_s, "the answer had ended before")
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
