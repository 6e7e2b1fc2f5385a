"""What a fake service does wrong, as a value."""

from dataclasses import dataclass
from enum import StrEnum


class Acknowledge(StrEnum):
    """How a service answers a finalise, a flush or a cancel."""

    PROMPTLY = "promptly"
    LATE = "late"
    TWICE = "twice"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Faults:
    """By default none. Counts and times are of one connection; `connections` says how many of them are hit."""

    refuse_status: int | None = None
    """The handshake is refused with it, such as 401, 429 or 500."""
    retry_after_s: int | None = None
    """Goes with the refusal."""
    refuse_in_band: bool = False
    """The connection is accepted; then the service says that it refuses, in its own way."""
    silent: bool = False
    """The connection is accepted, and never a word is said."""
    cut_after: int | None = None
    """After so many messages of the service the line is cut."""
    cut_code: int | None = None
    """The close code then; None resets the line without one."""
    garbage_after: int | None = None
    """After so many messages of the service it says what nobody understands."""
    acknowledge: Acknowledge = Acknowledge.PROMPTLY
    late_s: float = 0.3
    """How late a late acknowledgement is."""
    audio_after_cancel: bool = False
    """Audio goes on for a while although it was cancelled."""
    zero_audio: bool = False
    """Speech ends as it should, without any audio."""
    piece_bytes: int | None = None
    """Audio comes in pieces of so many bytes. With 1 only the first 400 bytes are cut so, or it would take hours."""
    delay_s: float = 0.0
    """So long before each message of the service."""
    connections: int | None = None
    """So many connections, the first ones, are hit; None for all."""


NONE = Faults()

EVERY_FAULT: dict[str, Faults] = {
    "refused 401": Faults(refuse_status=401),
    "refused 429": Faults(refuse_status=429, retry_after_s=7),
    "refused 500": Faults(refuse_status=500),
    "refused 500 once": Faults(refuse_status=500, connections=1),
    "refused in band": Faults(refuse_in_band=True),
    "silent": Faults(silent=True),
    "reset once": Faults(cut_after=2, connections=1),
    "reset always": Faults(cut_after=1),
    "closed 1011 once": Faults(cut_after=2, cut_code=1011, connections=1),
    "garbage once": Faults(garbage_after=1, connections=1),
    "garbage": Faults(garbage_after=0),
    "late acknowledgement": Faults(acknowledge=Acknowledge.LATE),
    "double acknowledgement": Faults(acknowledge=Acknowledge.TWICE),
    "no acknowledgement": Faults(acknowledge=Acknowledge.NEVER),
    "audio after cancel": Faults(audio_after_cancel=True),
    "zero audio": Faults(zero_audio=True),
    "odd pieces": Faults(piece_bytes=333),
    "pieces of a byte": Faults(piece_bytes=1),
    "pieces of 64 kB": Faults(piece_bytes=65_536),
    "slow": Faults(delay_s=0.05),
}
"""One of each kind, for a test to go through; a connection refused at TCP level needs no server at all."""
