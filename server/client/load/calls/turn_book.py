"""Keeps a caller's record: which turn was answered by what, how soon, and what belongs to none. Pure."""

from collections import deque

import numpy as np

from server.client.load.calls.slowest import Slowest
from server.client.load.calls.turns import CallRecord, Outcome, Turn, TurnKind
from server.client.load.hearing.answers import HeardAnswer, Keeps
from server.client.load.hearing.ear import Ear
from server.client.load.hearing.words import hear_words

_MARKS = 64


class TurnBook:
    """The turns of one call, as they are recorded."""

    def __init__(
        self,
        record: CallRecord,
        ear: Ear,
        *,
        rate_hz: int,
        keeps_audio: bool,
        slowest: Slowest | None = None,
    ) -> None:
        """`rate_hz` is the answers'. Without `keeps_audio`, `slowest` says of which turns it is kept, if of any."""
        self.record = record
        self._ear = ear
        self._rate_hz = rate_hz
        self._keeps_audio = keeps_audio
        self._slowest = slowest
        self._claimed: list[HeardAnswer] = []
        """Answers that belong to a turn, of those that the ear still knows."""
        self._kept: tuple[Turn, HeardAnswer] | None = None
        """The last turn that was answered, until its answer has been heard."""
        self._pending: Turn | None = None
        """The newest turn, which may not have been recorded yet."""
        self._marks: deque[tuple[float, str]] = deque(maxlen=_MARKS)

    def mark(self, name: str, now_s: float) -> None:
        """The server tells where it stands."""
        self._marks.append((now_s, name))

    def begin(self, number: int, kind: TurnKind, began_s: float, ended_s: float) -> Turn:
        """A turn for the step of this number, which was said between these times; nothing is recorded yet."""
        self._pending = Turn(self.record.number, self.record.scenario, number + 1, kind, (began_s, ended_s))
        return self._pending

    def add(self, turn: Turn) -> None:
        """Record a turn of which is known what became of it."""
        self.record.turns.append(turn)

    def discard(self, number: int, kind: TurnKind, now_s: float, reason: str) -> None:
        """Record that nothing can be said of a step."""
        turn = self.begin(number, kind, now_s, now_s)
        turn.outcome, turn.reason = Outcome.DISCARDED, reason
        self.add(turn)

    def expected_nothing(self, turn: Turn) -> None:
        """Record a turn to which no answer was to be heard, and what was."""
        began_s = turn.said_s[0]
        heard = [
            answer for answer in self._ear.answers if answer.heard_s is not None and answer.heard_s > began_s
        ]
        turn.outcome = Outcome.FALSE if heard else Outcome.HELD
        self.record.false_answers += len(heard)
        self._claimed.extend(heard)
        self.add(turn)

    def answered(self, turn: Turn, answer: HeardAnswer | None) -> None:
        """Record a turn and the answer that was heard in time, if one was."""
        turn.outcome = Outcome.MISSED
        self.add(turn)
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
        self._claimed.append(answer)
        if self._slowest is not None:
            self._slowest.offer(turn, answer)

    def settle(self, *, ends_call: bool = False) -> None:
        """Keep what was heard since. An answer in whose middle the caller `ends_call` is as if it had been cut."""
        self._keep(ends_call=ends_call)
        known = [answer for answer in self._ear.answers if answer.heard_s is not None]
        self.record.extra_answers += sum(not any(a is b for b in self._claimed) for a in known)
        self._claimed = known

    def abandon(self, reason: str) -> None:
        """The call ends before its script: what was being waited for says nothing."""
        pending = self._pending
        if pending is not None and not self._is_recorded(pending):
            pending.outcome, pending.reason = Outcome.DISCARDED, reason
            self.add(pending)

    def awaits_answer(self, until_s: float) -> bool:
        """Whether what became of a turn that was said until then, and is to be answered, is not known yet."""
        pending = self._pending
        if (
            pending is None
            or pending.kind not in (TurnKind.RESPOND, TurnKind.TYPED)
            or pending.said_s[1] > until_s
        ):
            return False
        return not self._is_recorded(pending)

    def line_ended(self, *, is_expected: bool) -> None:
        """The server, or the network, has ended the call; while the script cut the line, that is what became of it."""
        pending = self._pending
        if pending is not None and pending.kind is TurnKind.LINE and not self._is_recorded(pending):
            if not is_expected:
                pending.outcome, pending.reason = Outcome.MISSED, "the session is gone"
            self.add(pending)

    def _is_recorded(self, turn: Turn) -> bool:
        return any(known is turn for known in self.record.turns)

    def _keep(self, *, ends_call: bool = False) -> None:
        if self._kept is not None:
            turn, answer = self._kept
            if answer.heard_s is not None and answer.last_heard_s is not None:
                turn.answer_ms = (answer.last_heard_s - answer.heard_s) * 1000
                ends_s = answer.last_heard_s
                turn.marks = [one for one in self._marks if turn.said_s[0] <= one[0] <= ends_s]
            turn.packets = answer.packets
            is_left = ends_call and answer is self._ear.answers.newest and not self._ear.is_quiet
            turn.was_cut = is_left or answer.flushed_s is not None
            if answer.keeps is Keeps.ALL and answer.played:
                turn.audio, turn.rate_hz = np.concatenate(answer.played), self._rate_hz
            if self._keeps_audio and turn.audio is not None:
                number = self.record.number if turn.says_name else None
                turn.words = hear_words(
                    turn.audio,
                    turn.rate_hz,
                    was_cut=turn.was_cut,
                    expected=turn.expected_words,
                    number=number,
                )
            self._kept = None


def judge(turn: Turn, answer: HeardAnswer, *, is_over: bool, tells_ends: bool) -> None:
    """What became of an answer that was talked over. `tells_ends`: whether the protocol tells that one is complete."""
    began_s = turn.said_s[0]
    if answer.ducked_s is not None and answer.ducked_s > began_s:
        turn.duck_ms = (answer.ducked_s - began_s) * 1000
    stopped = answer.flushed_s is not None or is_over
    by_itself = stopped and answer.flushed_s is None and answer.is_complete and tells_ends
    if turn.kind is TurnKind.IGNORE:
        turn.outcome = Outcome.FALSE if stopped and not by_itself else Outcome.HELD
    elif not stopped:
        turn.outcome, turn.reason = Outcome.MISSED, "it went on"
    elif by_itself or answer.last_heard_s is None or answer.last_heard_s <= began_s:
        turn.outcome, turn.reason = Outcome.DISCARDED, "the answer ended by itself"
    else:
        turn.stop_ms = (answer.last_heard_s - began_s) * 1000
