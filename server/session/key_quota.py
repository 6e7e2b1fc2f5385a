"""What the key of a session may have, as the session asks for it: responses, and seconds of audio that are heard.

Audio is bought in portions, before it is heard, so that the store that all nodes share is asked once in some seconds.
What is beyond the share of the key is heard as silence: the turn that is being spoken ends as any other does, and the
session goes on.
"""

import math
from collections.abc import Awaitable, Callable
from typing import Protocol

from server.domain.errors import ClientError, Fault

PORTION_S = 5.0
"""Bought at once; what is left of it at the end of a session is lost."""

LEAST_WAIT_S = 30.0
"""Before more is asked for: a key that has had its share would otherwise hear every other sentence."""


class KeyQuota(Protocol):
    """The share of one key, which all its sessions have together."""

    async def check_response(self) -> None:
        """Count a response that the session asks for. Raises ClientError when the key has had its share."""

    async def spend_audio(self, seconds: float) -> float:
        """Count audio that is to be heard: 0, or how long to wait because the key has had its share."""


class NoQuota:
    """A key that may have as much as it likes."""

    async def check_response(self) -> None:
        """See `KeyQuota.check_response`."""

    async def spend_audio(self, seconds: float) -> float:
        """See `KeyQuota.spend_audio`."""
        return 0.0


class AudioAccount:
    """The audio of one session. `now` is any clock in seconds that never goes back."""

    __slots__ = ("_closed_until", "_left_s", "_spend")

    def __init__(self, spend: Callable[[float], Awaitable[float]]) -> None:
        self._spend = spend
        self._left_s = 0.0
        self._closed_until = -math.inf

    def covers(self, audio_s: float) -> bool:
        """Whether so much was bought already; then it is used up."""
        if self._left_s < audio_s:
            return False
        self._left_s -= audio_s
        return True

    def has(self, audio_s: float) -> bool:
        """Whether so much was bought already."""
        return self._left_s >= audio_s

    async def buy(self, audio_s: float, now: float) -> bool:
        """Buy so much at least, and use it: False when the key has had its share, of which ClientError tells first.

        Raises ClientError each time that it is refused, which is once in `LEAST_WAIT_S` at most.
        """
        if now < self._closed_until:
            return False
        portion_s = max(PORTION_S, audio_s)
        if wait_s := await self._spend(portion_s):
            wait_s = max(wait_s, LEAST_WAIT_S)
            self._closed_until = now + wait_s
            raise _refused("what comes now is heard as silence", wait_s)
        self._left_s += portion_s - audio_s
        return True

    async def buy_clips(self, audio_s: float) -> None:
        """Buy recorded speech that comes at once. Raises ClientError when the key has had its share."""
        if wait_s := await self._spend(audio_s):
            raise _refused("the clips are not taken", wait_s)


def _refused(what: str, wait_s: float) -> ClientError:
    message = f"This key has had its share of audio: {what}; try again in {math.ceil(wait_s)} s."
    return ClientError(Fault.AUDIO_QUOTA, message, blame="limit")
