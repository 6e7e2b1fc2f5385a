"""What one session may ask for: responses a minute, and events that make the server say much. Pure; `now` comes in.

What people say aloud costs them time, and is not counted; what programs ask for is. A request beyond the allowance is
refused with the limit and how long to wait, and the session goes on.
"""

import math
from dataclasses import dataclass, field

from server.cluster.store import Budget
from server.domain.commands import AddItem, Command, CreateResponse, RetrieveItem
from server.domain.errors import ClientError, Fault


@dataclass(slots=True)
class Allowance:
    """The allowance of one session that begins now."""

    responses_per_min: int
    output_bytes_per_min: int
    """What the client is sent counts, whatever it is; only what it asks for is refused."""
    _responses_full_at: float = field(default=0.0)
    _output_full_at: float = field(default=0.0)
    _counted_bytes: int = 0

    def check(self, command: Command, sent_bytes: int, now: float) -> None:
        """Raises ClientError for a command that is beyond it; `sent_bytes` since the session began."""
        if not isinstance(command, AddItem | CreateResponse | RetrieveItem):
            return  # it makes the server say little; and who cancels must be heard
        self._count_output(sent_bytes, now)
        waits_s = Budget(self.output_bytes_per_min, 60.0).spend(self._output_full_at, 1, now)[1]
        if waits_s:
            raise _refused(f"{self.output_bytes_per_min} bytes a minute", "sent to a client", waits_s)
        if isinstance(command, CreateResponse):
            budget = Budget(self.responses_per_min, 60.0)
            self._responses_full_at, waits_s = budget.spend(self._responses_full_at, 1, now)
            if waits_s:
                raise _refused(
                    f"{self.responses_per_min} responses a minute", "asked for in a session", waits_s
                )

    def _count_output(self, sent_bytes: int, now: float) -> None:
        new_bytes, self._counted_bytes = sent_bytes - self._counted_bytes, sent_bytes
        seconds = new_bytes / self.output_bytes_per_min * 60.0
        self._output_full_at = max(self._output_full_at, now) + seconds


def _refused(limit: str, what: str, wait_s: float) -> ClientError:
    message = f"The limit of what is {what} is {limit}; try again in {math.ceil(wait_s)} s."
    return ClientError(Fault.RATE_LIMIT, message, blame="limit")
