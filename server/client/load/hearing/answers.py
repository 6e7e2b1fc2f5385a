"""The answers that a caller hears: when each came, and what of it left the loudspeaker, to the sample. Pure."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np

from audio.formats import Samples
from server.client.load.wire import Audio, WordEnds

LOUD = 104
"""A sample louder than this, -50 dBFS, is a sound."""

DRY_MS = 1.0
"""Silence in the middle of an answer, because nothing had come, from which it is kept."""

_KEPT = 4

BEGINNING_S = 0.5
"""From its first sound on: by then it is known whether the answer was waited for so long that all of it is kept."""


class Keeps(Enum):
    """What of an answer is kept: its sound, and when its packets came."""

    NOTHING = auto()
    BEGINNING = auto()
    """As long as it may turn out to be wanted as a whole."""
    ALL = auto()


@dataclass(slots=True)
class HeardAnswer:
    """One answer, as it was heard. Times are seconds of the caller's clock."""

    began_at: int
    """The place of its first sample in the ring."""
    arrived_s: float
    """When its first packet came."""
    item_id: str = ""
    item_at: int = 0
    """The place of the first sample of the item that is being played."""
    items: dict[str, int] = field(default_factory=dict)
    """The place of the first sample of each item."""
    told_words: list[tuple[str, int]] = field(default_factory=list)
    """Where words end, as far as the server has told: the item, and so many samples behind its first."""
    sounded_s: float | None = None
    """When the first packet came that is not all silence."""
    heard_s: float | None = None
    """When its first sound left the loudspeaker."""
    last_heard_s: float | None = None
    """When its last sound so far did."""
    leading_silence_ms: float = 0.0
    """Silence before the first sound, in the audio itself."""
    dry_ms: list[float] = field(default_factory=list)
    """Silences in its middle, because nothing had come."""
    ducked_s: float | None = None
    """When it was lowered or held for the first time."""
    samples: int = 0
    is_complete: bool = False
    """All of it has come."""
    flushed_s: float | None = None
    keeps: Keeps = Keeps.NOTHING
    played: list[Samples] = field(default_factory=list)
    """What left the loudspeaker, as far as that is kept."""
    packets: list[tuple[float, float]] = field(default_factory=list)
    """When each packet came, and how many ms were waiting to be played then."""

    def keep(self, block: Samples, starts_s: float) -> None:
        """This has left the loudspeaker, from `starts_s` on."""
        is_beginning = self.heard_s is None or starts_s < self.heard_s + BEGINNING_S
        if self.keeps is Keeps.ALL or is_beginning:
            self.played.append(block.copy())
        else:  # nobody has asked for it: it would be there with a hole
            self.keep_nothing()

    def keep_nothing(self) -> None:
        """Keep no sound, neither of the answers that have come nor of those that will."""
        self.keeps = Keeps.NOTHING
        self.played.clear()
        self.packets.clear()

    def was_dry(self, since_s: float | None, until_s: float) -> None:
        """Nothing of it could be played between these times; None: it never ran dry."""
        if since_s is not None and (until_s - since_s) * 1000 >= DRY_MS:
            self.dry_ms.append((until_s - since_s) * 1000)

    def was_played(self, played_to: int) -> bool:
        """Whether all of it was when the loudspeaker has come to this place of the ring."""
        return self.is_complete and played_to >= self.began_at + self.samples


class HeardAnswers:
    """The newest answers, in the order in which they came."""

    def __init__(self, rate_hz: int, keeps: Keeps) -> None:
        """`keeps` is what is kept of each, as long as nobody says otherwise."""
        self._rate_hz = rate_hz
        self._keeps = keeps
        self._answers: deque[HeardAnswer] = deque(maxlen=_KEPT)
        self.newest: HeardAnswer | None = None
        """The answer that came last."""

    def __iter__(self) -> Iterator[HeardAnswer]:
        return iter(self._answers)

    def __bool__(self) -> bool:
        return bool(self._answers)

    def begin(self, place: int, now_s: float) -> HeardAnswer:
        """Another answer has come, whose first sample lies at this place of the ring."""
        answer = HeardAnswer(place, now_s, item_at=place, keeps=self._keeps)
        self._answers.append(answer)
        self.newest = answer
        return answer

    def add(self, answer: HeardAnswer, audio: Audio, place: int, now_s: float, waiting: int) -> None:
        """The next packet of an answer lies at this place of the ring, where so many samples wait to be played."""
        if answer.keeps is not Keeps.NOTHING:
            answer.packets.append((now_s, waiting * 1000 / self._rate_hz))
        if answer.item_id != audio.item_id:
            answer.item_id, answer.item_at = audio.item_id, place
            answer.items.setdefault(audio.item_id, place)
        if answer.sounded_s is None:
            loud = np.flatnonzero(np.abs(audio.samples.astype(np.int32)) > LOUD)
            if len(loud):
                answer.sounded_s = now_s
                answer.leading_silence_ms = (answer.samples + int(loud[0])) * 1000 / self._rate_hz
        answer.samples += len(audio.samples)

    def tell(self, words: WordEnds) -> None:
        """The server tells where words of the newest answer lie."""
        if self._answers:
            self._answers[-1].told_words += [(words.item_id, end) for end in words.end_samples]

    def hear(self, block: Samples, starts_s: float, place: int) -> None:
        """This has left the loudspeaker, from `starts_s` on; it lay at this place of the ring."""
        if not self._answers:
            return
        answer = self.at(place)
        if answer.keeps is not Keeps.NOTHING:
            answer.keep(block, starts_s)
        if answer.heard_s is not None and not -LOUD <= block[-1] <= LOUD:
            # Most are loud to the end: there is no need to look at all of it.
            answer.last_heard_s = starts_s + len(block) / self._rate_hz
            return
        is_loud = (block > LOUD) | (block < -LOUD)
        first = int(is_loud.argmax())
        if not is_loud[first]:
            return
        if answer.heard_s is None:
            answer.heard_s = starts_s + first / self._rate_hz
        answer.last_heard_s = starts_s + (len(block) - int(is_loud[::-1].argmax())) / self._rate_hz

    def at(self, place: int) -> HeardAnswer:
        """The answer to which a place of the ring belongs; there is one."""
        found = self._answers[0]
        for answer in self._answers:
            if answer.began_at <= place:
                found = answer
        return found
