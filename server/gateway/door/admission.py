"""How much a key and an address may have of the server: sessions at once, responses a minute, wrong keys.

What is refused here is refused before a session exists, with the reason and how long to wait. Addresses of this machine
have no quota: behind a proxy that is not trusted to name its clients, all of them would share one.
"""

import logging
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Protocol

import anyio

from server.cluster.store import Budget, Store
from server.domain.clock import Now
from server.domain.errors import ClientError, Fault
from server.domain.loop_share import LoopShare
from server.gateway.door.quotas import KeyLimits, Quotas, holder_of
from server.gateway.door.seats import HANDSHAKE_S, LEASE_S, RENEWED_S, Seat, Seats
from server.gateway.requests.addresses import is_this_machine
from server.gateway.requests.pages import Page, error_page

log = logging.getLogger(__name__)

MAX_SECRET_S = 7200.0
"""The longest that a client secret is valid."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A client that wants a session, as its key and its address tell."""

    address: str
    """As `client_address` tells it; "" when there is none."""
    key: str | None = None
    """What has let it in; None where no key is needed."""
    is_secret: bool = False
    """Whether that is a client secret."""
    made_by: str | None = None
    """Of a client secret, the holder of the key that it was ordered with."""

    @property
    def holder(self) -> str | None:
        """What the quotas of its key or client secret are counted under."""
        return None if self.key is None else holder_of(self.key)

    @property
    def owner(self) -> str | None:
        """What the limits of the key are counted under that it has, or that its client secret was ordered with."""
        return self.made_by if self.is_secret else self.holder

    @property
    def has_address(self) -> bool:
        """Whether its address has a quota."""
        return not is_this_machine(self.address)


class Refusals(Protocol):
    """Counts the clients that are refused."""

    def refused(self, status: int, reason: str) -> None:
        """A request was refused, and no session opened."""


_NO_LIMITS = KeyLimits()


class Admission:
    """The quotas of one server, kept in a store. `now` is the store's clock, in seconds."""

    def __init__(
        self,
        quotas: Quotas,
        store: Store,
        *,
        refusals: Refusals,
        now: Now,
        of_keys: Mapping[str, KeyLimits] = MappingProxyType({}),
    ) -> None:
        """`of_keys` are the limits of those keys that have their own, by holder."""
        self.of_keys = of_keys
        self._quotas = quotas
        self._store = store
        self._refusals = refusals
        self._now = now
        self._wrong_keys = Budget(quotas.wrong_keys_per_min, 60.0)
        self._seats = Seats[Visitor]()
        self._openings = LoopShare(1)
        """One session is opened in a turn of the loop."""

    async def turned_away(self, address: str) -> Page | None:
        """The answer to an address that has shown too many wrong keys: no further key of its is looked at."""
        if is_this_machine(address):
            return None
        wait_s = await self._store.spend(f"wrong_keys:{address}", self._wrong_keys, 0, self._now())
        if not wait_s:
            return None
        return _too_many("too_many_wrong_keys", "Too many wrong keys came from this address.", wait_s)

    async def note_wrong_key(self, address: str) -> None:
        """Count it against the address; logged when the address has to wait."""
        key, now = f"wrong_keys:{address}", self._now()
        if await self._store.spend(key, self._wrong_keys, 1, now):
            return
        if wait_s := await self._store.spend(key, self._wrong_keys, 0, now):
            seconds = math.ceil(wait_s)  # as its answers say
            log.warning("too many wrong keys from %s: it waits for %d s", address or "no address", seconds)

    async def admit(self, visitor: Visitor, seat: str) -> Page | None:
        """Keep a place for the session that is being opened, under the name `seat`, or say why there is none."""
        for place, places, whose in self._places(visitor):
            claim = partial(self._store.claim, place, seat, places, HANDSHAKE_S, self._now())
            if not await self._seats.claim(place, claim):
                await self._leave(visitor, seat)
                message = f"This {whose} has {places} sessions, which is the limit."
                return _too_many("session_quota_reached", message, 5.0)
        if wait_s := await self._spend_request(visitor):
            await self._leave(visitor, seat)
            most = self._own(visitor).requests_per_min
            message = f"This key has made {most} requests in a minute, which is the limit."
            return _too_many("request_quota_reached", message, wait_s)
        if await self._is_used_up(visitor, seat):
            await self._leave(visitor, seat)
            openings = self._quotas.openings_per_secret
            message = f"This client secret has opened {openings} sessions, which is the limit: order another."
            return error_page(401, "client_secret_used_up", message)
        return None

    async def _is_used_up(self, visitor: Visitor, seat: str) -> bool:
        openings = self._quotas.openings_per_secret
        if not visitor.is_secret or openings is None:
            return False
        key = f"openings:{visitor.holder}"  # places that nobody gives back
        return await self._store.claim(key, seat, openings, MAX_SECRET_S, self._now()) > 0

    @asynccontextmanager
    async def seated(
        self, visitor: Visitor, seat: str, is_left: Callable[[], bool] = lambda: False
    ) -> AsyncIterator[None]:
        """The session is live within; its place is given back behind it. Whoever finds no place waits a moment for one
        that `is_left` by a client that is not waited for."""
        places = frozenset(place for place, _, _ in self._places(visitor))
        with self._seats.has(seat, Seat(visitor, places, is_left)):
            try:
                await self._renew(seat, visitor)
                await self._openings.step()
                yield
            finally:
                self._seats.leave(seat)
                if self._places(visitor):
                    with anyio.CancelScope(shield=True):
                        await self._leave(visitor, seat)

    async def keep_seats(self) -> None:
        """Renew the places of all live sessions, as long as the server runs. Returns only when cancelled."""
        while True:
            await anyio.sleep(RENEWED_S)
            for seat, visitor in self._seats:
                await self._renew(seat, visitor)
                if not self._seats.is_live(seat):  # it has left meanwhile: what was renewed is nobody's
                    await self._leave(visitor, seat)

    async def _renew(self, seat: str, visitor: Visitor) -> None:
        for place, places, _ in self._places(visitor):
            await self._store.claim(place, seat, places, LEASE_S, self._now())

    async def check_response(self, visitor: Visitor) -> None:
        """Count a response that a session asks for. Raises ClientError when its key has had its share."""
        if (most := self._own(visitor).requests_per_min) is not None:
            if wait_s := await self._spend_request(visitor):
                raise over_rate(f"the limit of this key is {most} requests a minute", wait_s)
            return
        limit = self._quotas.responses_per_min_per_key
        if limit is None or visitor.holder is None:
            return
        budget = Budget(limit, 60.0)
        if wait_s := await self._store.spend(f"responses:{visitor.holder}", budget, 1, self._now()):
            raise over_rate(f"the limit of this key is {limit} responses a minute", wait_s)

    async def spend_audio(self, visitor: Visitor, seconds: float) -> float:
        """Count audio that a session is about to hear: 0, or how long to wait because its key has had its share."""
        limit = self._own(visitor).audio_s_per_hour or self._quotas.audio_s_per_hour_per_key
        if limit is None or visitor.owner is None:
            return 0.0
        budget = Budget(limit, 3600.0)
        wait_s = await self._store.spend(f"audio:{visitor.owner}", budget, seconds, self._now())
        if wait_s:
            self.count(429, "audio_quota_reached")
        return wait_s

    async def _spend_request(self, visitor: Visitor) -> float:
        """Count a request of a key that has a limit of them: 0, or how long to wait."""
        limit = self._own(visitor).requests_per_min
        if limit is None:
            return 0.0
        return await self._store.spend(f"requests:{visitor.owner}", Budget(limit, 60.0), 1, self._now())

    def _own(self, visitor: Visitor) -> KeyLimits:
        return self.of_keys.get(visitor.owner or "", _NO_LIMITS)

    def count(self, status: int, reason: str) -> None:
        """Count a client that was refused."""
        self._refusals.refused(status, reason)

    def _places(self, visitor: Visitor) -> list[tuple[str, int, str]]:
        quotas, own, wanted = self._quotas, self._own(visitor).sessions, []
        if own is not None:
            wanted.append((f"sessions:owner:{visitor.owner}", own, "key"))
        of_key = quotas.sessions_per_secret if visitor.is_secret else quotas.sessions_per_key
        of_key = None if own is not None and not visitor.is_secret else of_key
        if visitor.holder is not None and of_key is not None:
            wanted.append((f"sessions:key:{visitor.holder}", of_key, "key"))
        if quotas.sessions_per_address is not None and visitor.has_address:
            wanted.append((f"sessions:address:{visitor.address}", quotas.sessions_per_address, "address"))
        return wanted

    async def _leave(self, visitor: Visitor, seat: str) -> None:
        for place, _, _ in self._places(visitor):
            await self._store.release(place, seat)


@dataclass(frozen=True, slots=True)
class QuotaOfKey:
    """What a session asks before it does what its key has a share of: a `server.session.key_quota.KeyQuota`."""

    admission: Admission
    visitor: Visitor

    async def check_response(self) -> None:
        """See `KeyQuota.check_response`."""
        await self.admission.check_response(self.visitor)

    async def spend_audio(self, seconds: float) -> float:
        """See `KeyQuota.spend_audio`."""
        return await self.admission.spend_audio(self.visitor, seconds)


def over_rate(limit: str, wait_s: float) -> ClientError:
    """What a session is told that asks for too much; it goes on."""
    message = f"Too much at once: {limit}; try again in {math.ceil(wait_s)} s."
    return ClientError(Fault.RATE_LIMIT, message, blame="limit")


def _too_many(code: str, message: str, wait_s: float) -> Page:
    seconds = str(max(1, math.ceil(wait_s)))
    text = f"{message} Try again in {seconds} s."
    return error_page(429, code, text, ("Retry-After", seconds), type="rate_limit_error")
