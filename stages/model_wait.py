"""How long an answer waits for its model: for the first sign of a request, for the next token, and for all of them."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable

from stages.agent_profile import AgentLimits
from stages.errors import ProviderTimeout
from stages.patience import Lateness
from stages.ports import ModelEvent


class ModelWait:
    """The waits of one answer, request by request. Only the time in `next` counts: how long the listener listens is not
    the model's fault."""

    def __init__(self, limits: AgentLimits, heard_until: Callable[[], float] | None) -> None:
        """`heard_until` tells when all that was said has been heard, in the loop's time; None if nobody listens."""
        self._limits = limits
        self._heard_until = heard_until
        self._left_s = limits.answer_s
        self._first_s = math.inf
        self._lateness = Lateness()
        self._complaint = ""
        self.has_begun = False
        """Whether the model has given a sign of an answer to the newest request."""

    def begin(self, first_s: float) -> Lateness:
        """A request is made, whose first sign may take so long. Wait for its events in what is returned: who gets
        behind that without having returned is `late`."""
        self._first_s, self.has_begun = first_s, False
        self._lateness = Lateness()
        return self._lateness

    async def next(self, events: AsyncGenerator[ModelEvent, None], *, is_first: bool) -> ModelEvent | None:
        """The model's next event, None after the last; its time is taken from the answer's. `is_first`: nothing has
        come but thoughts."""
        now, limits, lateness = asyncio.get_running_loop().time, self._limits, self._lateness
        began = now()
        if is_first and self._first_s < self._left_s:
            self._complaint = f"the model did not begin to answer within {limits.first_token_s:g} s"
            lateness.expect(self._first_s)
        elif self._heard_until is not None and limits.gap_s < self._left_s:
            self._complaint = f"the model said nothing for {limits.gap_s:g} s, and all it had said was heard"
            lateness.expect(limits.gap_s, self._heard_until)
        else:
            self._complaint = f"the model took longer than {limits.answer_s:g} s for an answer"
            lateness.expect(self._left_s)
        event = await anext(events, None)
        lateness.rest()
        self._left_s -= now() - began
        self._first_s, self.has_begun = limits.first_token_s, True
        return event

    def late(self) -> ProviderTimeout:
        """What is wrong with a model that was waited for in vain."""
        return ProviderTimeout(self._complaint)
