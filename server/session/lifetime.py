"""How long a session may live: at all, without a word from its client, or without a first one. Pure; `now` comes in."""

from dataclasses import dataclass, field

from server.domain.errors import ClientError, Fault, SessionOver
from server.domain.limits import Limits


@dataclass(slots=True)
class Lifetime:
    """The life of one session that begins at `begins_at`."""

    begins_at: float
    max_session_s: float
    max_idle_s: float
    max_unused_s: float
    """As long without a word from the first moment on."""
    _heard_at: float = field(init=False)
    _silent_s: float = field(init=False)
    """So long it may be silent."""

    def __post_init__(self) -> None:
        self._heard_at = self.begins_at
        self._silent_s = min(self.max_unused_s, self.max_idle_s)

    def begin(self, now: float) -> None:
        """It begins only now."""
        self.begins_at = self._heard_at = now

    def heard(self, now: float) -> None:
        """The client has sent something."""
        self._heard_at = now
        self._silent_s = self.max_idle_s

    @property
    def ends_at(self) -> float:
        """When it will be over, unless the client is heard before."""
        return min(self.begins_at + self.max_session_s, self._heard_at + self._silent_s)

    def over(self, now: float) -> SessionOver | None:
        """Why it is over, if it is."""
        if now >= self.begins_at + self.max_session_s:
            message = f"Your session hit the maximum duration of {self.max_session_s / 60:g} minutes."
            return SessionOver(1001, "session expired", error=ClientError(Fault.SESSION_EXPIRED, message))
        if now >= self._heard_at + self._silent_s:
            since = " since it was opened" if self._heard_at == self.begins_at else ""
            message = f"Your session has sent nothing{since} for {self._silent_s:g} s, which is the limit."
            return SessionOver(1001, "session idle", error=ClientError(Fault.SESSION_IDLE, message))
        return None


def lifetime_of(limits: Limits, now: float) -> Lifetime:
    """Of a session that is opened now."""
    return Lifetime(now, limits.max_session_s, limits.max_idle_s, limits.max_unused_s)
