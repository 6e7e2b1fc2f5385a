"""A session's connection, seen through its door."""

from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from typing import Any

from server.domain.wire import Wire
from server.journal.beyond import ArrivalKind
from server.journal.door import Door


class _Pump(Enum):
    """Where the errand stands that receives frames."""

    UNUSED = auto()
    ASKED = auto()
    """A frame has been asked for, and has not come."""
    IDLE = auto()
    OVER = auto()


class DoorWire:
    """Implements `server.domain.wire.Wire`. `number` counts the connections of the session."""

    def __init__(self, door: Door, number: int, wire: Wire | None) -> None:
        """Without a wire, in a replay, there is only what the record has of it."""
        self.wire = wire
        self._door = door
        self._number = number
        self._frames = door.open(f"wire {number}")
        self._pump = _Pump.UNUSED
        # `send_now` sends at once what can be, and gives False for the rest.
        self._send_now: Callable[[Any], bool] | None = getattr(wire, "send_now", None)

    def _read(self, name: str) -> Any:
        return self._door.notes.read(f"{self._number}.{name}", lambda: getattr(self.wire, name))

    @property
    def latency_s(self) -> float:
        return float(self._read("latency_s"))

    @property
    def close_code(self) -> int | None:
        code: int | None = self._read("close_code")
        return code

    @property
    def unsent_bytes(self) -> int:
        return int(self._read("unsent_bytes"))

    @property
    def buffered_bytes(self) -> int:
        return int(self._read("buffered_bytes"))

    async def receive(self) -> str | bytes | None:
        if self._pump is _Pump.OVER:
            return None
        if self._pump is _Pump.UNUSED:
            self._door.beyond.start_pump(self._frames, self._receive)
        if self._pump is not _Pump.ASKED:
            self._pump = _Pump.ASKED
            self._door.beyond.ask(self._frames)
        arrival = await self._door.next(self._frames)
        frame: str | bytes | None = arrival.value if arrival.kind is ArrivalKind.VALUE else None
        self._pump = _Pump.OVER if frame is None else _Pump.IDLE
        return frame

    async def send(self, frame: str | bytes) -> None:
        self._door.notes.told(self._number, frame)
        if not self._door.notes.read(f"{self._number}.sent", partial(self._sends_now, frame)):
            await self._door.call("send", partial(self._send, frame))

    async def close(self, code: int, reason: str) -> None:
        self._door.notes.told(self._number, f"close {code} {reason}".rstrip())
        await self._door.call("close", partial(self._close, code, reason))

    # --- beyond the door -------------------------------------------------------------------------------------------

    def _sends_now(self, frame: str | bytes) -> bool:
        return self._send_now is not None and self._send_now(frame)

    async def _receive(self) -> str | bytes | None:
        assert self.wire is not None, "nothing is beyond the door of a replay"
        return await self.wire.receive()

    async def _send(self, frame: str | bytes) -> None:
        assert self.wire is not None, "nothing is beyond the door of a replay"
        await self.wire.send(frame)

    async def _close(self, code: int, reason: str) -> None:
        assert self.wire is not None, "nothing is beyond the door of a replay"
        await self.wire.close(code, reason)


def outer_wire(wire: Wire) -> Wire:
    """The connection itself, for those outside of the session: what they look at is not written down."""
    return wire.wire or wire if isinstance(wire, DoorWire) else wire
