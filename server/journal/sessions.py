"""A session behind a door: made in the same way, whether it is recorded or replayed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from server.dialects.registry import SessionDialect
from server.domain.errors import SessionOver
from server.domain.values import ResumeOffer
from server.domain.wire import Wire, WireClosed
from server.journal.door import Door
from server.journal.loops import outside
from server.journal.wires import DoorWire, outer_wire
from server.output.writer import OnChange
from server.session.key_quota import KeyQuota
from server.session.services import Services
from server.session.session import Session
from server.session.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Made:
    """The parts of a session that are made beside its door."""

    dialect: SessionDialect
    services: Services
    wire: Wire | None = None
    quota: KeyQuota | None = None
    owner: str | None = None
    offer: ResumeOffer | None = None
    restored: Snapshot | None = None


class DoorSession(Session):
    """A session behind a door: what others do to it comes in by the door as well."""

    def __init__(self, door: Door, made: Made) -> None:
        self._door = door
        self._wires = 1
        quota = DoorQuota(door, made.quota)
        wire = DoorWire(door, 0, made.wire)
        config = made.dialect.config
        super().__init__(
            wire, made.dialect, made.services, config, quota, made.owner, door.ids, made.offer, made.restored
        )
        door.deeds["attach"] = self._attach_recorded
        door.deeds["end"] = super().end
        door.deeds["hand over"] = super().snapshot
        door.deeds["leave"] = super().leave

    async def run(self) -> None:
        """See `Session.run`."""
        await self._door.run(super().run)

    def end(self, over: SessionOver) -> None:
        """See `Session.end`: at the begin of the next turn."""
        self._door.notes.deed("end", [over], partial(super().end, over))

    def leave(self, time_left_s: float) -> None:
        """See `Session.leave`: at the begin of the next turn."""
        self._door.notes.deed("leave", [time_left_s], partial(super().leave, time_left_s))

    def snapshot(self, last_seq: int | None = None) -> Snapshot:
        """See `Session.snapshot`. What it hands over is done by then, so a replay does it a moment later."""
        if last_seq is not None:
            self._door.notes.deed("hand over", [last_seq], _done_already)
        return super().snapshot(last_seq)

    def watch(self, changed: OnChange) -> None:
        """See `Session.watch`: what follows from it is none of the session's."""
        super().watch(lambda is_urgent: outside(partial(changed, is_urgent)))

    async def attach(self, wire: Wire, last_seq: int | None, greeting: str | None) -> Wire:
        """See `Session.attach`."""
        if not self._door.deeds:
            raise WireClosed
        done: asyncio.Future[Wire] = self._door.loop.create_future()
        refuse = partial(_refuse, done)
        self._door.on_finish.append(refuse)
        self._door.notes.deed(
            "attach", [last_seq, greeting], partial(self._attach, wire, last_seq, greeting, done)
        )
        try:
            return await done
        finally:
            self._door.on_finish.remove(refuse)

    def _attach(
        self, wire: Wire | None, last_seq: int | None, greeting: str | None, done: asyncio.Future[Wire]
    ) -> None:
        number, self._wires = self._wires, self._wires + 1
        try:
            before = self.link.attach(DoorWire(self._door, number, wire), last_seq, greeting)
        except Exception as error:  # noqa: BLE001  # for whoever wants to attach it
            if not done.cancelled():
                done.set_exception(error)
            return
        if not done.cancelled():
            done.set_result(outer_wire(before))

    def _attach_recorded(self, last_seq: int | None, greeting: str | None) -> None:
        done: asyncio.Future[Wire] = self._door.loop.create_future()
        self._attach(None, last_seq, greeting, done)
        done.exception()  # the client was told then


def _done_already() -> None:
    """Nothing is left to be done."""


def _refuse(done: asyncio.Future[Wire]) -> None:
    if not done.done():
        done.set_exception(WireClosed())


class DoorQuota:
    """Implements `KeyQuota`."""

    def __init__(self, door: Door, quota: KeyQuota | None) -> None:
        self._door = door
        self._quota: Any = quota
        self._is_limited: bool = door.notes.read("quota", lambda: quota is not None)

    async def check_response(self) -> None:
        if self._is_limited:
            await self._ask("quota: response", lambda: self._quota.check_response())

    async def spend_audio(self, seconds: float) -> float:
        if not self._is_limited:
            return 0.0
        waits_s: float = await self._ask("quota: audio", lambda: self._quota.spend_audio(seconds))
        return waits_s

    async def _ask(self, what: str, ask: Callable[[], Any]) -> Any:
        return await self._door.call(what, ask)
