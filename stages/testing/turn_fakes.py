"""A recogniser by script that finds the ends of turns: it tells what it is told to, on the clock of its audio."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audio.formats import SPEECH_HZ, Samples
from stages.ports import (
    RecogniserCapabilities,
    SpeechHints,
    Transcript,
    TurnBegan,
    TurnEndsEarly,
    TurnEvent,
    TurnHeard,
    TurnOver,
    TurnResumed,
    TurnsFailed,
    TurnStream,
)


@dataclass(frozen=True, slots=True)
class At:
    """An event, and after how many seconds of a stream's audio it comes."""

    seconds: float
    event: TurnEvent


def turn(
    words: str, began_s: float, over_s: float | None, *, early_s: Sequence[float] = (), gap_s: float = 0.3
) -> tuple[At, ...]:
    """One turn, of which a word is heard every `gap_s` after `began_s`; each probable end but the last is taken back
    200 ms later. Without `over_s` it is not ended."""
    said = words.split()
    events = [At(began_s, TurnBegan(int(began_s * SPEECH_HZ)))]
    for count in range(1, len(said) + 1):
        events.append(At(began_s + count * gap_s, TurnHeard(" ".join(said[:count]))))
    for number, at_s in enumerate(early_s):
        heard = " ".join(said[: max(1, int((at_s - began_s) / gap_s))])
        events.append(At(at_s, TurnEndsEarly(Transcript(heard), int(at_s * SPEECH_HZ))))
        if number < len(early_s) - 1:
            events.append(At(at_s + 0.2, TurnResumed()))
    if over_s is not None:
        events.append(At(over_s, TurnOver(Transcript(words), int(over_s * SPEECH_HZ))))
    return tuple(sorted(events, key=lambda at: at.seconds))


class ScriptedTurns:
    """Tells its script to every session: each event once so much of the session's audio has come."""

    interface = 1
    capabilities = RecogniserCapabilities(partials=True, turns="theirs", eager_end=True, languages=("*",))
    rate_hz = SPEECH_HZ

    def __init__(self, *script: At) -> None:
        self._script = script

    def open_turns(
        self, on_event: Callable[[TurnEvent], None], *, hints: SpeechHints = SpeechHints()
    ) -> TurnStream:
        """Begin a session's audio."""
        return _ScriptedStream(self._script, on_event)


class _ScriptedStream:
    def __init__(self, script: Sequence[At], on_event: Callable[[TurnEvent], None]) -> None:
        self._ahead = deque(script)
        self._on_event: Callable[[TurnEvent], None] | None = on_event
        self._samples = 0
        self._running: str | None = None

    def push(self, samples: Samples) -> None:
        self._samples += len(samples)
        while self._ahead and self._ahead[0].seconds * SPEECH_HZ <= self._samples:
            self._tell(self._ahead.popleft().event)

    def end_turn(self) -> None:
        """Ends the running turn, of which the script tells nothing more."""
        if self._running is None:
            return
        while self._ahead and not isinstance(self._ahead[0].event, TurnBegan | TurnsFailed):
            self._ahead.popleft()
        self._tell(TurnOver(Transcript(self._running), self._samples))

    def close(self) -> None:
        self._on_event = None

    def _tell(self, event: TurnEvent) -> None:
        match event:
            case TurnBegan():
                self._running = ""
            case TurnHeard(text=text):
                self._running = text
            case TurnOver():
                self._running = None
        if self._on_event is not None:
            self._on_event(event)
