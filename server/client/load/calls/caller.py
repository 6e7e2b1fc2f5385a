"""One caller: a mouth that says prepared frames at its sample clock, an ear, and a script between the two.

Pure. `tick` is called once for each frame, with the time at which the frame is due, and gives what is to be sent;
`take` gets what the server sends. The script goes on with every tick.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from server.client.load.calls.line import CallerLine
from server.client.load.calls.performance import Performance, Wish
from server.client.load.calls.slowest import Slowest
from server.client.load.calls.tool_desk import ToolDesk
from server.client.load.calls.turn_book import TurnBook
from server.client.load.calls.turns import CallRecord, Ending
from server.client.load.hearing.answers import Keeps
from server.client.load.hearing.ear import Ear
from server.client.load.hearing.heard_reports import HeardReport
from server.client.load.hearing.mouth import FRAME_S, Mouth, Voicebox
from server.client.load.hearing.utterance import FRAME_MS
from server.client.load.script import Scenario
from server.client.load.wire import (
    Audio,
    Mark,
    Order,
    Spoken,
    Target,
    ToolCall,
    Trouble,
    Wire,
    WordEnds,
)
from server.domain.errors import ServerError

_TROUBLES = 20
_NOTHING: Sequence[Wire] = ()


@dataclass(frozen=True, slots=True)
class Manner:
    """How a caller listens."""

    prebuffer_ms: float = 0.0
    keeps_audio: bool = False
    seed: int = 0
    slowest: Slowest | None = None
    """Which answers are kept all the same."""

    def keeps(self, scenario: Scenario) -> Keeps:
        """What is kept of an answer that begins."""
        if self.keeps_audio or scenario.counts_words:
            return Keeps.ALL
        return Keeps.NOTHING if self.slowest is None else Keeps.BEGINNING


class Caller:
    """One call of one scenario. Time zero is when it began; `record` is complete when `is_done`."""

    def __init__(
        self, target: Target, scenario: Scenario, voicebox: Voicebox, record: CallRecord, manner: Manner
    ) -> None:
        self._target = target
        self.record = record
        self.ear = Ear(
            target.rate_hz,
            prebuffer_ms=manner.prebuffer_ms,
            tells_ends=target.tells_ends,
            keeps=manner.keeps(scenario),
        )
        self._mouth = Mouth(voicebox, scenario.name)
        self._frame_samples = target.rate_hz * FRAME_MS // 1000
        self._book = TurnBook(
            record, self.ear, rate_hz=target.rate_hz, keeps_audio=manner.keeps_audio, slowest=manner.slowest
        )
        chance = random.Random(f"{manner.seed} {record.number}")  # a seed gives the same call
        self._tools = ToolDesk(target, scenario.tools)
        self._performance = Performance(
            target, scenario, self._mouth, self.ear, self._book, chance, self._tools.called
        )
        self._steps = self._performance.steps()
        self._rests_until_s = 0.0
        """Until then the script has nothing to do, unless something comes."""
        self.is_done = False

    @property
    def wish(self) -> Wish:
        """What is to be done with the connection."""
        return self._performance.wish

    @property
    def line(self) -> CallerLine:
        """What is to be done to the connection meanwhile."""
        return self._performance.line

    def due_s(self) -> float:
        """When the next frame is to be sent."""
        return self._mouth.due_s()

    def tick(self) -> Sequence[Wire]:
        """The next frame is due. What is to be sent now, in order."""
        return self.speak().messages()

    def speak(self) -> Spoken:
        """As `tick`, with the frame as all callers share it."""
        mouth = self._mouth
        sent = mouth.sent_frames
        now_s = (sent + 1) * FRAME_S
        before = after = _NOTHING
        if now_s >= self._rests_until_s or now_s >= self.ear.rests_until_s:
            before, after = self._go_on(now_s)
        header = self._target.header(sent * self._frame_samples)
        return Spoken(before, header, mouth.next_frame(), after)

    def take(self, message: Wire, now_s: float) -> None:
        """A message of the server's, which has come now. Whatever it means, the call goes on."""
        try:
            sounds = self._target.hear(message)
        except UnicodeDecodeError:
            self._complain("a message that means nothing: it is neither text nor audio")
            return
        except (ServerError, ValueError, LookupError, TypeError, AttributeError) as error:
            self._complain(f"a message that means nothing: {error}")
            return
        for sound in sounds:
            if isinstance(sound, Audio):
                self.ear.hear(sound, now_s)
            else:
                self._rests_until_s = 0.0
                self._understand(sound, now_s)

    def settle(self) -> None:
        """Keep what was heard since; also when the call ends in the middle of an answer."""
        self.ear.advance(self._mouth.sent_frames * FRAME_S)
        self._book.settle(ends_call=self.record.ending is not Ending.LOST)

    def abandon(self, reason: str) -> None:
        """The call ends before its script: what was being waited for says nothing."""
        if not self.is_done:
            self._book.abandon(reason)

    def awaits_answer(self, until_s: float) -> bool:
        """Whether it waits for the answer to something that was said until then, in seconds of the run."""
        began_s = self.record.connected_s or 0.0
        return not self.is_done and self._book.awaits_answer(until_s - began_s)

    def line_ended(self) -> bool:
        """The server, or the network, has ended the call. Tells whether the script wanted it to."""
        is_expected = self.line.may_end
        self._book.line_ended(is_expected=is_expected)
        return is_expected

    def _go_on(self, now_s: float) -> tuple[Sequence[Wire], Sequence[Wire]]:
        """Hear what was due, and go on with the script. What is to be sent before the frame, and after it."""
        self._performance.attention.at(now_s)
        report = self.ear.follow(now_s)
        if not self.is_done:
            self.is_done = next(self._steps, self) is self
        outbox, results = self._performance.take_outbox(), self._tools.due(now_s)
        self._rests_until_s = min(self._performance.attention.rests_until_s, self._tools.next_s)
        return [*outbox, *results], () if report is None else self._told(report)

    def _understand(self, sound: Order | Trouble | Mark | WordEnds | ToolCall, now_s: float) -> None:
        if isinstance(sound, Order):
            self.ear.obey(sound, now_s)
        elif isinstance(sound, Trouble):
            self._complain(sound.message)
        elif isinstance(sound, Mark):
            self._book.mark(sound.name, now_s)
        elif isinstance(sound, WordEnds):
            self.ear.answers.tell(sound)
        else:
            self._book.mark(f"calls {sound.name}", now_s)
            if (wrong := self._tools.take(sound, now_s)) is not None:
                self._complain(wrong)

    def _told(self, report: HeardReport) -> Sequence[Wire]:
        item_id, played, is_cut = report
        return self._target.heard(item_id, played, underruns=self.ear.ring.underruns, is_cut=is_cut)

    def _complain(self, message: str) -> None:
        if len(self.record.troubles) < _TROUBLES:
            self.record.troubles.append(message[:200])
