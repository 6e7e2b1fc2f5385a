"""What a caller waits for while it listens: an answer, its middle, its end. Pure: a wait goes on with every frame."""

from collections.abc import Generator, Iterator

from server.client.load.calls.turn_book import TurnBook
from server.client.load.calls.turns import TurnKind
from server.client.load.hearing.answers import HeardAnswer
from server.client.load.hearing.ear import Ear
from server.client.load.hearing.mouth import FRAME_S
from server.client.load.hearing.word_count import WordCount

SETTLE_S = 60.0
"""The longest answer that is heard out."""

QUIET_S = 0.5
"""An answer that was cut is silent when no sound of it was heard for so long."""

_ROUNDING_S = 1e-9


class Attention:
    """One caller's. All waits are generators that are asked once a frame, at `now_s`, or less often (`rest`)."""

    def __init__(self, ear: Ear, book: TurnBook) -> None:
        self._ear = ear
        self._book = book
        self.now_s = 0.0
        """When the frame is due that comes next."""
        self.rests_until_s = 0.0
        """Until then a wait need not be asked again, unless something is heard or comes. Each sets it anew."""

    def at(self, now_s: float) -> None:
        """The frame is due that comes next."""
        self.now_s, self.rests_until_s = now_s, 0.0

    def rest(self, until_s: float) -> None:
        """Nothing is to be done before then, unless something is heard or comes."""
        self.rests_until_s = until_s

    def middle_of_answer(
        self, number: int, kind: TurnKind, after_ms: int, after_words: int | None = None
    ) -> Generator[None, None, HeardAnswer | None]:
        """So long after an answer began to be heard, or after so many of its words. Gives it, or None and tells why."""
        answer = self._ear.answers.newest
        if answer is None or answer.heard_s is None:
            self._book.discard(number, kind, self.now_s, "no answer to talk over")
            return None
        if after_words is not None:
            if reason := (yield from self._words(answer, after_words)):
                self._book.discard(number, kind, self.now_s, reason)
                return None
        else:
            while self.now_s < answer.heard_s + after_ms / 1000 + FRAME_S:
                yield
        if self.is_over(answer):
            self._book.discard(number, kind, self.now_s, "the answer had ended before")
            return None
        return answer

    def _words(self, answer: HeardAnswer, after_words: int) -> Generator[None, None, str]:
        """Until so many words of it were heard, or it is over. Tells why they cannot be counted, or nothing."""
        ear, count = self._ear, WordCount(answer, self._ear.rate_hz)
        until_s = self.now_s + SETTLE_S
        while count.heard(ear.ring.written - ear.ring.waiting) < after_words and not self.is_over(answer):
            if self.now_s >= until_s:
                return "so many words did not come"
            yield
            ear.advance(self.now_s)
        yield  # what is said now begins a frame ago
        return "" if count.has_words else "the words of the answer are not known"

    def hear_out(self) -> Iterator[None]:
        """Wait until there is nothing more to hear."""
        until_s = self.now_s + SETTLE_S
        while not self._ear.is_quiet and self.now_s < until_s:
            self.rest(until_s)
            yield
        self._book.settle()

    def pass_time(self, seconds: float) -> Iterator[None]:
        """Wait for so long."""
        until_s = self.now_s + seconds - _ROUNDING_S
        while self.now_s < until_s:
            self.rest(until_s)
            yield

    def answer_since(self, began_s: float) -> HeardAnswer | None:
        """The first answer that came and was heard after the person began to speak."""
        for answer in self._ear.answers:
            if answer.heard_s is not None and answer.heard_s > began_s and answer.arrived_s > began_s:
                return answer
        return None

    def is_over(self, answer: HeardAnswer) -> bool:
        """Whether no more of it will be heard: it was cut, or all of it was heard."""
        if answer.last_heard_s is not None and self.now_s - answer.last_heard_s < QUIET_S:
            return False
        newer = answer is not self._ear.answers.newest
        return answer.flushed_s is not None or newer or self._ear.is_quiet
