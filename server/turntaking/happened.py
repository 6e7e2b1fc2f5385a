"""What is fed to the floor: an event, the facts it carries, and what its commands are about."""

from dataclasses import dataclass

from server.turntaking.floor import NO_FACTS, RunId
from server.turntaking.floor_table import Fact, FloorEvent
from server.turntaking.question import Question
from server.turntaking.speech_events import SpeechBegan


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of the floor."""

    event: FloorEvent
    facts: frozenset[Fact] = NO_FACTS
    question: Question | None = None
    """What is to be answered, now or later."""
    sound: SpeechBegan | None = None
    """What the person has begun to say."""
    run: RunId | None = None
    """Of an event of a run: which."""
