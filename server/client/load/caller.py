"""One caller: a mouth that says prepared frames at its sample clock, an ear, and a script between the two.

Pure. `tick` is called once for each frame, with the time at which the frame is due, and gives what is to be sent;
`take` gets what the server sends. The script is a generator that goes on with every tick. A frame is sent when its
last sample has been spoken: the sample n of a frame that is due at t left the mouth at t - 20 ms + n / rate.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from server.client.load.ear import Answer, Ear
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
from server.client.load.turns import CallRecord, Kind, Outcome, Turn
from server.client.load.utterance import FRAME_MS, Utterance
from server.client.load.wire import Target, Trouble, Wire

FRAME_S = FRAME_MS / 1000
SETTLE_S = 60.0
"""The longest answer that is heard out."""

QUIET_S = 0.5
"""An answer that was cut is silent when no sound of it was heard for so long."""

LAST_S = 0.5
"""How long a caller listens for more when all has been said and answered."""

_TROUBLES = 20


class Wish(Enum):
    """What a caller wants of its connection."""

    TALK = auto()
    HANG_UP = auto()
    CUT = auto()


@dataclass(frozen=True, slots=True)
class Voicebox:
    """All that callers say, prepared for one target: `steps` by scenario and step number."""

    hush: Utterance
    steps: Mapping[tuple[str, int], Utterance]


@dataclass(frozen=True, slots=True)
class Manner:
    """How a caller listens."""

    prebuffer_ms: float = 0.0
    keeps_audio: bool = False
    seed: int = 0


class Caller:
    """One call of one scenario. Time zero is when it began; `record` is complete when `is_done`."""

    def __init__(
        self, target: Target, scenario: Scenario, voicebox: Voicebox, record: CallRecord, manner: Manner
    ) -> None:
        self._target = target
        self._scenario = scenario
        self._voicebox = voicebox
        self.record = record
        self._keeps_audio = manner.keeps_audio
        self._chance = random.Random(f"{manner.seed} {record.number}")  # a seed gives the same call
        self.ear = Ear(
            target.rate_hz,
            prebuffer_ms=manner.prebuffer_ms,
            tells_ends=target.tells_ends,
            keeps_audio=manner.keeps_audio,
        )
        self.wish = Wish.TALK
        self.reads_from_s = 0.0
        """Until then nothing is to be taken from the socket."""
        self._now_s = 0.0
        self._sent_frames = 0
        self._saying: Utterance | None = None
        self._said_frames = 0
        self._outbox: list[Wire] = list(target.opening())
        self._frame_samples = target.rate_hz * FRAME_MS // 1000
        self._claimed: list[Answer] = []
        """Answers that belong to a turn, of those that the ear still knows."""
        self._kept: tuple[Turn, Answer] | None = None
        """The last turn that was answered, until its answer has been heard."""
        self._pending: Turn | None = None
        """The newest turn, which may not have been recorded yet."""
        self._script = self._perform()
        self.is_done = False

    def due_s(self) -> float:
        """When the next frame is to be sent."""
        return (self._sent_frames + 1) * FRAME_S

    def tick(self) -> Sequence[Wire]:
        """The next frame is due. What is to be sent now, in order."""
        self._now_s = self.due_s()
        self.ear.advance(self._now_s)
        if not self.is_done:
            self.is_done = next(self._script, self) is self
        sent, self._outbox = self._outbox, []
        sent.append(self._target.stamp(self._next_frame(), self._sent_frames * self._frame_samples))
        self._sent_frames += 1
        report = self.ear.report(self._now_s)
        if report is not None:
            item_id, played, is_cut = report
            told = self._target.heard(item_id, played, underruns=self.ear.ring.underruns, is_cut=is_cut)
            sent.extend(told)
        return sent

    def take(self, message: Wire, now_s: float) -> None:
        """A message of the server's, which has come now. Whatever it means, the call goes on."""
        try:
            sounds = self._target.hear(message)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            self._complain(f"a message that means nothing: {error}")
            return
        for sound in sounds:
            if isinstance(sound, Trouble):
                self._complain(sound.message)
            else:
                self.ear.take(sound, now_s)

    def _complain(self, message: str) -> None:
        if len(self.record.troubles) < _TROUBLES:
            self.record.troubles.append(message[:200])

    # --- the mouth --------------------------------------------------------------------------------------------

    def _next_frame(self) -> Wire:
        saying = self._saying
        if saying is None:
            hush = self._voicebox.hush.frames
            return hush[self._sent_frames % len(hush)]
        frame = saying.frames[self._said_frames]
        self._said_frames += 1
        if self._said_frames == len(saying.frames):
            self._saying = None
        return frame

    def _say(self, step: int) -> tuple[float, float]:
        """Begin with the frame that is due. Tells when its first and its last voiced sample leave the mouth."""
        utterance = self._voicebox.steps[self._scenario.name, step]
        self._saying, self._said_frames = utterance, 0
        began_s = self._now_s - FRAME_S
        return began_s + utterance.voiced_s[0], began_s + utterance.voiced_s[1]

    # --- the script: every yield is a tick ----------------------------------------------------------------------

    def _perform(self) -> Iterator[None]:
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
                turn = self._turn(number, Kind.NOTHING, self._now_s, self._now_s)
                yield from self._pass(step.silence_ms / 1000)
                if step.expect is not None:
                    self._expect_nothing(turn)
            case ReadSlowly():
                self.reads_from_s = self._now_s + step.read_slowly_ms / 1000
                yield from self._pass(step.read_slowly_ms / 1000)
            case HangUp() | Cut():
                self.wish = Wish.HANG_UP if isinstance(step, HangUp) else Wish.CUT

    def _speak(self, number: int, step: Say) -> Iterator[None]:
        kind = Kind.NOTHING if step.expect == "nothing" else Kind.RESPOND
        turn = self._turn(number, kind, *self._say(number))
        while self._saying is not None:
            yield
        if step.expect == "nothing":
            yield from self._pass(step.within_ms / 1000)
            self._expect_nothing(turn)
        elif step.expect == "respond":
            yield from self._await_answer(turn, step.within_ms)

    def _type(self, number: int, step: Typed) -> Iterator[None]:
        self._outbox.extend(self._target.typed(step.type))
        if step.expect is not None:
            turn = self._turn(number, Kind.TYPED, self._now_s, self._now_s)
            yield from self._await_answer(turn, step.within_ms)

    def _make_noise(self, number: int, step: Noise) -> Iterator[None]:
        turn = self._turn(number, Kind.NOTHING, *self._say(number))
        while self._saying is not None:
            yield
        yield from self._pass(step.within_ms / 1000)
        if step.expect is not None:
            self._expect_nothing(turn)

    def _expect_nothing(self, turn: Turn) -> None:
        began_s = turn.said_s[0]
        heard = [
            answer for answer in self.ear.answers if answer.heard_s is not None and answer.heard_s > began_s
        ]
        turn.outcome = Outcome.FALSE if heard else Outcome.HELD
        self.record.false_answers += len(heard)
        self._claim(*heard)
        self.record.turns.append(turn)

    def _await_answer(self, turn: Turn, within_ms: int) -> Iterator[None]:
        """Until an answer to this is heard, or it is too late for one."""
        until_s = turn.said_s[1] + within_ms / 1000
        while (answer := self._answer_since(turn.said_s[0])) is None and self._now_s < until_s:
            yield
        turn.outcome = Outcome.MISSED
        self.record.turns.append(turn)
        if answer is None or answer.heard_s is None:
            return
        ended_s = turn.said_s[1]
        turn.outcome = Outcome.HELD
        turn.is_early = answer.heard_s < ended_s
        turn.v2v_ms = (answer.heard_s - ended_s) * 1000
        turn.first_packet_ms = (answer.arrived_s - ended_s) * 1000
        if answer.sounded_s is not None:
            turn.first_sound_packet_ms = (answer.sounded_s - ended_s) * 1000
        turn.leading_silence_ms = answer.leading_silence_ms
        turn.dry_ms = answer.dry_ms  # the same list: it grows while the answer is heard
        self._keep()
        self._kept = (turn, answer)
        self._claim(answer)

    def _talk_over(self, number: int, step: BargeIn | Backchannel) -> Iterator[None]:
        over = step.barge_in if isinstance(step, BargeIn) else step.backchannel
        answer = self.ear.newest
        kind = Kind.STOP if step.expect == "stop" else Kind.IGNORE
        if answer is None or answer.heard_s is None:
            self._discard(number, kind, "no answer to talk over")
            return
        while self._now_s < answer.heard_s + over.after_ms / 1000 + FRAME_S:
            yield
        if self._is_over(answer):
            self._discard(number, kind, "the answer had ended before")
            return
        said_s = self._say(number)
        turn = self._turn(number, kind, *said_s)
        yield from self._watch(turn, answer, step.within_ms)
        self.record.turns.append(turn)
        while self._saying is not None:
            yield
        if isinstance(step, BargeIn) and step.answered and turn.outcome is not Outcome.MISSED:
            yield from self._await_answer(self._turn(number, Kind.RESPOND, *said_s), 10_000)

    def _watch(self, turn: Turn, answer: Answer, within_ms: int) -> Iterator[None]:
        """See what becomes of an answer that is talked over."""
        began_s, ended_s = turn.said_s
        until_s = (began_s if turn.kind is Kind.STOP else ended_s) + within_ms / 1000
        while self._now_s < until_s and not self._is_over(answer):
            yield
        if answer.ducked_s is not None and answer.ducked_s > began_s:
            turn.duck_ms = (answer.ducked_s - began_s) * 1000
        stopped = answer.flushed_s is not None or self._is_over(answer)
        by_itself = stopped and answer.flushed_s is None and answer.is_complete and self._target.tells_ends
        if turn.kind is Kind.IGNORE:
            turn.outcome = Outcome.FALSE if stopped and not by_itself else Outcome.HELD
        elif not stopped:
            turn.outcome, turn.reason = Outcome.MISSED, "it went on"
        elif by_itself or answer.last_heard_s is None or answer.last_heard_s <= began_s:
            turn.outcome, turn.reason = Outcome.DISCARDED, "the answer ended by itself"
        else:
            turn.stop_ms = (answer.last_heard_s - began_s) * 1000

    def _hear_out(self) -> Iterator[None]:
        until_s = self._now_s + SETTLE_S
        while not self.ear.is_quiet and self._now_s < until_s:
            yield
        self.settle()

    def settle(self) -> None:
        """Keep what was heard since; also when the call ends in the middle of an answer."""
        self._keep()
        known = [answer for answer in self.ear.answers if answer.heard_s is not None]
        self.record.extra_answers += sum(not any(a is b for b in self._claimed) for a in known)
        self._claimed = known

    def _keep(self) -> None:
        if self._kept is not None:
            turn, answer = self._kept
            if answer.heard_s is not None and answer.last_heard_s is not None:
                turn.answer_ms = (answer.last_heard_s - answer.heard_s) * 1000
            turn.was_cut = answer.flushed_s is not None
            if self._keeps_audio and answer.played:
                turn.audio, turn.rate_hz = np.concatenate(answer.played), self._target.rate_hz
            self._kept = None

    def abandon(self, reason: str) -> None:
        """The call ends before its script: what was being waited for says nothing."""
        pending = self._pending
        if (
            pending is not None
            and not self.is_done
            and not any(turn is pending for turn in self.record.turns)
        ):
            pending.outcome, pending.reason = Outcome.DISCARDED, reason
            self.record.turns.append(pending)

    def _claim(self, *answers: Answer) -> None:
        self._claimed.extend(answers)

    def _pass(self, seconds: float) -> Iterator[None]:
        until_s = self._now_s + seconds
        while self._now_s < until_s - 1e-9:
            yield

    # --- what is known ------------------------------------------------------------------------------------------

    def _turn(self, number: int, kind: Kind, began_s: float, ended_s: float) -> Turn:
        self._pending = Turn(self.record.number, self._scenario.name, number + 1, kind, (began_s, ended_s))
        return self._pending

    def _discard(self, number: int, kind: Kind, reason: str) -> None:
        turn = self._turn(number, kind, self._now_s, self._now_s)
        turn.outcome, turn.reason = Outcome.DISCARDED, reason
        self.record.turns.append(turn)

    def _answer_since(self, began_s: float) -> Answer | None:
        """The first answer that came and was heard after the person began to speak."""
        for answer in self.ear.answers:
            if answer.heard_s is not None and answer.heard_s > began_s and answer.arrived_s > began_s:
                return answer
        return None

    def _is_over(self, answer: Answer) -> bool:
        """Whether no more of it will be heard: it was cut, or all of it was heard."""
        if answer.last_heard_s is not None and self._now_s - answer.last_heard_s < QUIET_S:
            return False
        newer = answer is not self.ear.newest
        return answer.flushed_s is not None or newer or self.ear.is_quiet
