"""One stream of the tier, between its connection and the utterances on it.

What comes is taken in order; what is said goes out by one task, because several utterances share a connection.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import anyio
from anyio.abc import TaskGroup
from pydantic import BaseModel, ValidationError

from stages.errors import ErrorKind, ProviderError, ProviderRejected
from stages.providers.remote.wire import fault_of

_MOST = 64
"""Messages that wait for a client that reads slowly."""


class TierConnection(Protocol):
    """One connection, whatever carries it. One task reads, one writes."""

    async def receive(self) -> str | bytes | None:
        """The next message; None when the client has left."""

    async def send(self, message: str | bytes) -> None:
        """Say something; waits while the client reads nothing. What is said to a client that has left is dropped."""


class Stream(Protocol):
    """What the messages of one kind do."""

    def take(self, message: str | bytes) -> None:
        """Do what a message says. Raises ValueError when it is none, and ProviderError."""

    def close(self) -> None:
        """The client has left: let go of everything."""


class Outbox:
    """A bounded line of messages. Any task of the stream may say something."""

    def __init__(self) -> None:
        self.send, self.receive = anyio.create_memory_object_stream[str | bytes](_MOST)

    async def say(self, message: BaseModel | bytes) -> None:
        """Say it; waits while there is no room. Cancel-safe."""
        await self.send.send(message if isinstance(message, bytes) else message.model_dump_json())

    def mention(self, message: BaseModel) -> None:
        """Say it if there is room: what the next such message makes worthless."""
        with suppress(anyio.WouldBlock, anyio.ClosedResourceError, anyio.BrokenResourceError):
            self.send.send_nowait(message.model_dump_json())

    async def failed(self, error: ProviderError, number: int | None = None, ask: int | None = None) -> None:
        """Say that something has failed."""
        await self.say(fault_of(error, number=number, ask=ask))


async def converse(channel: TierConnection, stream_of: Callable[[Outbox, TaskGroup], Stream]) -> None:
    """One stream, until its client leaves; all its tasks end with it. A message that is not understood is answered."""
    outbox = Outbox()
    with outbox.send, outbox.receive:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_write, channel, outbox)
            stream = stream_of(outbox, tasks)
            try:
                while (message := await channel.receive()) is not None:
                    try:
                        stream.take(message)
                    except (ProviderError, ValueError) as wrong:
                        await outbox.failed(_refusal(wrong))
            finally:
                stream.close()
            tasks.cancel_scope.cancel()


async def _write(channel: TierConnection, outbox: Outbox) -> None:
    async for message in outbox.receive:
        await channel.send(message)


def _refusal(wrong: ProviderError | ValueError) -> ProviderError:
    if isinstance(wrong, ProviderError):
        return wrong
    words = str(wrong)
    if isinstance(wrong, ValidationError):
        first = wrong.errors(include_url=False, include_input=False)[0]
        words = f"{'.'.join(map(str, first['loc'])) or 'message'}: {first['msg']}"
    return ProviderRejected(words, kind=ErrorKind.BAD_REQUEST)
