"""Whether the agent's voice is to be taken out of a client's microphone, and what of it was played."""

from collections.abc import Callable
from dataclasses import dataclass

from audio.echo import NewCanceller
from audio.formats import Samples
from server.domain.values import ConfigInForce
from server.output.audible import AudibleVoice


@dataclass(frozen=True, slots=True)
class EchoCancellation:
    """How a server cancels echoes."""

    new_canceller: NewCanceller
    is_always: bool
    """From the first answer on; else from the first echo that was heard."""


class EchoPath:
    """From the loudspeaker of one client to its microphone. Plain calls."""

    def __init__(
        self,
        voice: AudibleVoice,
        config: ConfigInForce,
        *,
        is_always: bool,
        heard_echo: Callable[[], bool],
    ) -> None:
        """`heard_echo` says whether the client was heard to let the agent's voice through."""
        self._voice = voice
        self._config = config
        self._is_open = is_always
        self._heard_echo = heard_echo

    def played(self, count: int) -> Samples | None:
        """As `PlayedBeside` has it. Once an echo was heard there is one: what is taken out is not heard any more."""
        if self._config.current.echo_cancelled:
            return None
        self._is_open = self._is_open or self._heard_echo()
        return self._voice.take(count) if self._is_open else None
