"""What all sessions of a process share; `server.app` puts it together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import anyio

from audio.vad import Detector
from server.domain.clock import Now
from server.domain.deadlines import Deadlines
from server.domain.limits import Limits
from server.domain.loop_share import LoopShare
from server.domain.voice_events import ProviderUse
from server.output.outbound import STEPS_A_TURN
from server.response.context import Pipelines
from server.session.turn_reports import NoObserver, Observer
from server.turntaking.echo_path import EchoCancellation
from server.turntaking.floor import FloorLimits
from server.turntaking.interruption import InterruptionPolicy
from stageflow.stages.ports import StagePorts
from stages.ports import EndOfTurnModel, Recogniser, Remind, ToolServers, VoiceOption


@dataclass(frozen=True, slots=True)
class Services:
    """What all sessions of a process share."""

    recogniser: Recogniser
    new_vad: Callable[[], Detector]
    pipelines: Pipelines
    new_ports: Callable[[Remind, str], StagePorts]
    """The providers and tools of one session, given what its reminders are left with, and whom its tools serve."""
    limits: Limits
    voices: tuple[VoiceOption, ...] = ()
    """What of its voice a client may choose."""
    end_of_turn: EndOfTurnModel | None = None
    tool_servers: ToolServers | None = None
    greeting: str = ""
    """What is said when a conversation begins; nothing if empty."""
    confirmed_tools: frozenset[str] = frozenset()
    """Tools of the server's that run only when the person has said yes to it."""
    deadlines: Deadlines = field(default_factory=Deadlines)
    interruption: InterruptionPolicy = field(default_factory=InterruptionPolicy)
    interruption_in: Mapping[str, InterruptionPolicy] = field(default_factory=dict)
    """The same in each of the `languages`."""
    languages: tuple[str, ...] = ("en",)
    """That are spoken, the usual one first."""
    recognised: tuple[str, ...] = ("*",)
    """What the recogniser knows; "*" is any."""
    phrases: tuple[str, ...] = ()
    """Words that are likely to be said, whoever calls."""
    echo_cancellation: EchoCancellation | None = None
    """How an echo is taken out of the microphones of clients that do not say that they do; None: not at all."""
    observer: Observer = field(default_factory=NoObserver)
    lead_ms: int = 400
    """For clients that report what they have played."""
    unreported_lead_ms: int = 1300
    """For those that do not."""
    chunk_ms: int = 100
    grace_s: float = 0.0
    """How long a session outlives its connection, so that another can be attached."""
    may_wait: Callable[[], bool] = lambda: True
    """Whether there is room for another session without a connection."""
    raises_impossible: bool = False
    """Whether an event that the floor calls impossible ends the session, as in tests, or is counted and ignored."""
    bulk_hearing: anyio.Lock = field(default_factory=anyio.Lock)
    """Held for each slice of audio that comes faster than real time: so the loop hears one of them in a turn."""
    share: LoopShare = field(default_factory=lambda: LoopShare(STEPS_A_TURN))
    """What the outputs of all sessions have of a turn of the loop."""
    unix_time_s: Now = lambda: 0.0
    """The wall clock, read once a session, to tell the client when its time is up."""
    uses: Callable[[tuple[ProviderUse, ...]], tuple[ProviderUse, ...]] = lambda found: found
    """What a client is told of the calls that were made for a turn, of those that were found here."""


def floor_limits(services: Services) -> FloorLimits:
    """How long the waits of a session's floor may last."""
    deadlines, pipelines = services.deadlines, services.pipelines
    return FloorLimits(
        audible_s=deadlines.audible_s if pipelines.has_filler else None,
        think_s=deadlines.think_s,
        write_s=deadlines.write_s,
        overlap_s=deadlines.overlap_s,
        stall_s=deadlines.stall_s,
        # The answer itself is cut long before; beyond that, somebody holds its playout.
        speak_s=8 * deadlines.speak_s,
    )
