"""How a caller goes through a scenario: what it says when, what it waits for, and when it leaves.

Pure. The steps are a generator that goes on with every frame of the caller's mouth.
"""

import random
from collections.abc import Iterator, Sequence
from enum import Enum, auto

from audio.marks import name_of
from server.client.load.calls.attention import Attention
from server.client.load.calls.line import CallerLine
from server.client.load.calls.line_steps import fall_silent, lose_the_line
from server.client.load.calls.turn_book import TurnBook, judge
from server.client.load.calls.turns import Outcome, Turn, TurnKind
from server.client.load.hearing.answers import HeardAnswer
from server.client.load.hearing.ear import Ear
from server.client.load.hearing.mouth import Mouth
from server.client.load.script import (
    CALLER,
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
from server.client.load.wire import Target, Wire

LAST_S = 0.5
"""How long a caller listens for more when all has been said and answered."""


class Wish(Enum):
    """What a caller wants of its connection."""

    TALK = auto()
    HANG_UP = auto()
    CUT = auto()


class Performance:
    """One scenario, by one caller. Every step of `steps` is a frame, at the time that `attention` was told."""

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
        self.attention = Attention(ear, book)
        """It is told the time, and tells how long the next of `steps` would do nothing."""
        self._book = book
        self._chance = chance
        self._called_tools = called_tools
        self._outbox: list[Wire] = [*target.opening(), *target.declare(scenario.tools)]
        self.wish = Wish.TALK
        self.line = CallerLine()

    def take_outbox(self) -> Sequence[Wire]:
        """What is to be sent besides the frames, once."""
        if not self._outbox:
            return ()
        outbox, self._outbox = self._outbox, []
        return outbox

    def steps(self) -> Iterator[None]:
        """The whole scenario; ends when all has been said and heard, or when the caller wishes to leave."""
        for number, step in enumerate(self._scenario.steps):
            if not isinstance(step, BargeIn | Backchannel | Resume):
                yield from self.attention.hear_out()
                if number:
                    yield from self.attention.pass_time(self._chance.uniform(*self._scenario.think_ms) / 1000)
                    yield from self.attention.hear_out()
            yield from self._do(number, step)
            if self.wish is not Wish.TALK:
                return
        yield from self.attention.hear_out()
        yield from self.attention.pass_time(LAST_S)
        yield from self.attention.hear_out()

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
                turn = self._book.begin(number, TurnKind.NOTHING, self.attention.now_s, self.attention.now_s)
                yield from self.attention.pass_time(step.silence_ms / 1000)
                if step.expect is not None:
                    self._book.expected_nothing(turn)
            case _:
                yield from self._do_to_the_line(number, step)

    def _do_to_the_line(
        self, number: int, step: Resume | HalfOpen | ReadSlowly | HangUp | Cut
    ) -> Iterator[None]:
        match step:
            case Resume():
                yield from lose_the_line(self.attention, self._book, self.line, number, step)
            case HalfOpen():
                yield from fall_silent(self.attention, self._book, self.line, number, step)
            case ReadSlowly():
                self.line.reads_from_s = self.attention.now_s + step.read_slowly_ms / 1000
                yield from self.attention.pass_time(step.read_slowly_ms / 1000)
            case HangUp() | Cut():
                self.wish = Wish.HANG_UP if isinstance(step, HangUp) else Wish.CUT

    def _speak(self, number: int, step: Say) -> Iterator[None]:
        kind = TurnKind.NOTHING if step.expect == "nothing" else TurnKind.RESPOND
        turn = self._book.begin(number, kind, *self._mouth.say(number))
        yield from self._end_of_speech()
        if step.expect == "nothing":
            yield from self.attention.pass_time(step.within_ms / 1000)
            self._book.expected_nothing(turn)
        elif step.expect == "respond":
            self._expect_words(turn, step)
            yield from self._await_answer(turn, step.within_ms, step.calls)

    def _end_of_speech(self) -> Iterator[None]:
        """Until all that is being said has left the mouth."""
        while self._mouth.is_speaking:
            self.attention.rest(self._mouth.says_until_s)
            yield

    def _type(self, number: int, step: Typed) -> Iterator[None]:
        self._outbox.extend(self._target.typed(self._named(step.type)))
        if step.expect is not None:
            turn = self._book.begin(number, TurnKind.TYPED, self.attention.now_s, self.attention.now_s)
            self._expect_words(turn, step)
            yield from self._await_answer(turn, step.within_ms, step.calls)

    def _expect_words(self, turn: Turn, step: Say | Typed) -> None:
        turn.says_name = CALLER in f"{step.hears or ''}{step.type if isinstance(step, Typed) else ''}"
        turn.expected_words = None if step.hears is None else self._named(step.hears)

    def _named(self, text: str) -> str:
        return text.replace(CALLER, name_of(self._book.record.number))

    def _make_noise(self, number: int, step: Noise | Music) -> Iterator[None]:
        turn = self._book.begin(number, TurnKind.NOTHING, *self._mouth.say(number))
        yield from self._end_of_speech()
        yield from self.attention.pass_time(step.within_ms / 1000)
        if step.expect is not None:
            self._book.expected_nothing(turn)

    def _await_answer(self, turn: Turn, within_ms: int, calls: str | None = None) -> Iterator[None]:
        """Until an answer to this is heard, and a tool was called; or it is too late for one."""
        until_s, before = turn.said_s[1] + within_ms / 1000, len(self._called_tools)
        while (
            answer := self.attention.answer_since(turn.said_s[0])
        ) is None and self.attention.now_s < until_s:
            self.attention.rest(until_s)
            yield
        self._book.answered(turn, answer)
        if calls is not None:
            while calls not in self._called_tools[before:] and self.attention.now_s < until_s:
                self.attention.rest(until_s)
                yield
            turn.has_missed_tool = calls not in self._called_tools[before:]

    def _talk_over(self, number: int, step: BargeIn | Backchannel) -> Iterator[None]:
        over = step.barge_in if isinstance(step, BargeIn) else step.backchannel
        kind = TurnKind.STOP if step.expect == "stop" else TurnKind.IGNORE
        answer = yield from self.attention.middle_of_answer(number, kind, over.wait_ms, over.after_words)
        if answer is None:
            return
        said_s = self._mouth.say(number)
        turn = self._book.begin(number, kind, *said_s)
        yield from self._watch(turn, answer, step.within_ms)
        self._book.add(turn)
        yield from self._end_of_speech()
        if isinstance(step, BargeIn) and step.answered and turn.outcome is not Outcome.MISSED:
            yield from self._await_answer(
                self._book.begin(number, TurnKind.RESPOND, *said_s), step.answered_ms
            )

    def _watch(self, turn: Turn, answer: HeardAnswer, within_ms: int) -> Iterator[None]:
        """See what becomes of an answer that is talked over."""
        began_s, ended_s = turn.said_s
        until_s = (began_s if turn.kind is TurnKind.STOP else ended_s) + within_ms / 1000
        while self.attention.now_s < until_s and not self.attention.is_over(answer):
            yield
        judge(turn, answer, is_over=self.attention.is_over(answer), tells_ends=self._target.tells_ends)
