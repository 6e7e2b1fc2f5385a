"""What a client that plays the voice itself is told, and tells, beyond the Realtime protocol.

Part of the session's commands and events; of the dialects only `voice.v1` has words for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from stages.ports import VoiceOption, WordTime

EndedBy = Literal["silence", "semantic", "recogniser", "client", "stall", "server"]
"""What ended the person's turn: the detector's silence, silence and words together, the client (a commit, or a
request for a response), audio that stopped coming, or nobody's turn at all: the server spoke of its own accord."""

InterruptedBy = Literal["speech", "client", "timeout", "gone"]

Step = Literal[
    "speech_end", "endpoint", "transcript", "guard", "route", "first_token", "first_audio", "heard"
]


@dataclass(frozen=True, slots=True)
class Played:
    """How much of a spoken item the client has played: the truth about what was heard."""

    item_id: str
    samples: int
    underruns: int | None = None
    """How often the voice has run dry in the middle of an answer, since the session began."""
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    """The client wants to know whether anybody is there: browsers cannot see the pings of a socket."""

    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a `Ping`, ahead of all audio that waits."""


@dataclass(frozen=True, slots=True)
class MoveAsked:
    """The node is about to stop: come back over another connection, which leads to another node."""

    time_left_ms: int
    """Until the session is over here."""


@dataclass(frozen=True, slots=True)
class VoiceHeld:
    """Lower the voice that is being played, hold it where it is, or go on as before."""

    how: Literal["duck", "pause", "resume"]


@dataclass(frozen=True, slots=True)
class VoiceFlushed:
    """Throw away all audio of an older epoch; ahead of everything that waits."""

    epoch: int


@dataclass(frozen=True, slots=True)
class VoicesOffered:
    """The voices that the session can be spoken in, the default first; right after `SessionStarted`."""

    voices: tuple[VoiceOption, ...]


@dataclass(frozen=True, slots=True)
class WordsTimed:
    """The next words of a spoken item and where they lie in its audio; ahead of the audio that brings them."""

    item_id: str
    words: tuple[WordTime, ...]
    """Joined over all events of an item they are its text."""


@dataclass(frozen=True, slots=True)
class StageEventTold:
    """An event that a stage of the pipeline has emitted; not before its answer is let out."""

    stage: str
    name: str
    json: str
    """Its data."""
    response_id: str = ""


@dataclass(frozen=True, slots=True)
class ArtifactMade:
    """Something for people that a stage of the pipeline has made; not before its answer is let out."""

    stage: str
    name: str
    json: str
    """What it is."""
    response_id: str = ""


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """How a turn came to its end, and how its answer came about."""

    turn: int
    revision: int
    item_id: str | None
    """The person's item that was answered, if one was."""
    ended_by: EndedBy
    silence_ms: int | None
    """From the last voiced sample to the certainty that the turn was over; None where nobody spoke."""
    speculated: bool
    """Whether the answer had been begun before that."""
    saved_ms: int
    guard: Literal["passed", "blocked"] | None
    route: str | None
    interrupted_by: InterruptedBy | None


@dataclass(frozen=True, slots=True)
class ProviderUse:
    """One call of a provider for a turn. Where one failed, the next of the same kind took over or tried again."""

    kind: str
    """`stt`, `llm` or `tts`."""
    provider: str
    """As the configuration calls it."""
    first_ms: int | None
    """From the call to its first result; None where none came."""
    error: str | None
    """What went wrong, as in `timeout`; None where nothing did."""
    hedge: bool
    """Whether it was asked beside one that was late."""


@dataclass(frozen=True, slots=True)
class TurnTimed:
    """When the steps of a turn happened: milliseconds after the last voiced sample, or after the request."""

    turn: int
    response_id: str
    ms: Mapping[str, int]
    """By step (`Step`)."""
    providers: tuple[ProviderUse, ...] = ()
    """The calls that were made for it, in their order."""


VoiceCommand = Played | Ping
"""What only clients that play the voice themselves say, beside what all say."""

VoiceEvent = (
    Pong
    | MoveAsked
    | VoicesOffered
    | VoiceHeld
    | VoiceFlushed
    | WordsTimed
    | TurnEnded
    | TurnTimed
    | StageEventTold
    | ArtifactMade
)
"""What only clients that play the voice themselves are told."""
