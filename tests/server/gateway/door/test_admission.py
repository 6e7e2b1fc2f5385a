"""Keys and addresses get what their quotas allow; who is refused is told why and when to come back."""

import json

import anyio
import anyio.lowlevel
import pytest

from server.cluster.store import MemoryStore
from server.domain.errors import ClientError, Fault
from server.gateway.door.admission import Admission, Visitor
from server.gateway.door.quotas import KeyLimits, Quotas, holder_of
from server.gateway.door.seats import FREED_WITHIN_S, LEASE_S, RENEWED_S
from server.gateway.requests.pages import Page
from server.telemetry.metrics import Metrics
from stages.testing.virtual_time import virtual

FAR, OTHER = "198.51.100.1", "203.0.113.9"


class Door:
    """An admission whose clock is set by hand."""

    def __init__(
        self,
        of_keys: dict[str, KeyLimits] | None = None,
        store: MemoryStore | None = None,
        **quotas: int | None,
    ) -> None:
        self.now = 0.0
        self.admission = Admission(
            Quotas.model_validate(quotas),
            store or MemoryStore(),
            refusals=Metrics(lambda: 0),
            now=lambda: self.now,
            of_keys=of_keys or {},
        )


def told(page: Page | None) -> tuple[int, str, str]:
    assert page is not None
    return page.status, json.loads(page.body)["error"]["code"], dict(page.headers)["Retry-After"]


@pytest.mark.parametrize(
    ("visitor", "neighbour"),
    [
        (Visitor(FAR), Visitor(OTHER)),
        (Visitor("127.0.0.1", "ek_1", is_secret=True), Visitor("127.0.0.1", "ek_2", is_secret=True)),
        (Visitor("127.0.0.1", "key"), Visitor("127.0.0.1", "other")),
    ],
)
async def test_sessions_at_once_have_a_limit_and_neighbours_their_own(
    visitor: Visitor, neighbour: Visitor
) -> None:
    door = Door(sessions_per_address=2, sessions_per_secret=2, sessions_per_key=2)
    assert await door.admission.admit(visitor, "a") is None
    assert await door.admission.admit(visitor, "b") is None
    assert told(await door.admission.admit(visitor, "c")) == (429, "session_quota_reached", "5")
    assert await door.admission.admit(neighbour, "d") is None


async def test_a_secret_opens_so_many_sessions_in_all() -> None:
    door = Door(openings_per_secret=2)
    secret, other = (Visitor("127.0.0.1", name, is_secret=True) for name in ("ek_1", "ek_2"))
    for seat in ("a", "b"):
        assert await door.admission.admit(secret, seat) is None
        async with door.admission.seated(secret, seat):
            pass
    page = await door.admission.admit(secret, "c")
    assert page is not None
    assert (page.status, page.code) == (401, "client_secret_used_up")
    assert await door.admission.admit(other, "d") is None
    for seat in ("e", "f", "g"):
        assert await door.admission.admit(Visitor("127.0.0.1", "key"), seat) is None


async def test_a_place_is_kept_while_the_session_lives_and_no_longer() -> None:
    door, visitor = Door(sessions_per_address=1), Visitor(FAR)
    assert await door.admission.admit(visitor, "a") is None
    async with door.admission.seated(visitor, "a"):
        door.now = LEASE_S - 1
        assert await door.admission.admit(visitor, "b") is not None
    assert await door.admission.admit(visitor, "b") is None
    door.now = LEASE_S + 15  # the handshake of b never ended
    assert await door.admission.admit(visitor, "c") is None


async def test_who_is_refused_for_one_quota_takes_nothing_of_another() -> None:
    door = Door(sessions_per_key=2, sessions_per_address=1)
    assert await door.admission.admit(Visitor(FAR, "key"), "a") is None
    assert await door.admission.admit(Visitor(FAR, "key"), "b") is not None
    assert await door.admission.admit(Visitor(OTHER, "key"), "c") is None


async def test_an_address_with_too_many_wrong_keys_waits(caplog: pytest.LogCaptureFixture) -> None:
    door = Door(wrong_keys_per_min=3)
    for _ in range(3):
        assert await door.admission.turned_away(FAR) is None
        await door.admission.note_wrong_key(FAR)
    assert told(await door.admission.turned_away(FAR)) == (429, "too_many_wrong_keys", "20")
    assert await door.admission.turned_away(OTHER) is None
    assert [record.message for record in caplog.records] == [
        f"too many wrong keys from {FAR}: it waits for 20 s"
    ]
    door.now = 20.1
    assert await door.admission.turned_away(FAR) is None


async def test_a_wait_of_less_than_a_second_is_told_as_a_second(caplog: pytest.LogCaptureFixture) -> None:
    door = Door(wrong_keys_per_min=200)
    for _ in range(200):
        await door.admission.note_wrong_key(FAR)
    assert told(await door.admission.turned_away(FAR)) == (429, "too_many_wrong_keys", "1")
    assert [record.message for record in caplog.records] == [
        f"too many wrong keys from {FAR}: it waits for 1 s"
    ]


async def test_this_machine_is_counted_but_never_locked_out() -> None:
    door = Door(wrong_keys_per_min=1, sessions_per_address=1)
    for seat in "abc":
        await door.admission.note_wrong_key("127.0.0.1")
        assert await door.admission.turned_away("127.0.0.1") is None
        assert await door.admission.admit(Visitor("127.0.0.1"), seat) is None


async def test_the_responses_of_a_key_are_counted_together() -> None:
    door = Door(responses_per_min_per_key=2)
    for _ in range(2):
        await door.admission.check_response(Visitor(FAR, "key"))
    with pytest.raises(ClientError, match="2 responses a minute; try again in 30 s") as refused:
        await door.admission.check_response(Visitor(OTHER, "key"))
    assert (refused.value.code, refused.value.blame) == (Fault.RATE_LIMIT, "limit")
    await door.admission.check_response(Visitor(FAR, "another"))


def test_what_quotas_are_counted_under_opens_no_door() -> None:
    holder = Visitor(FAR, "secret-key").holder
    assert holder is not None
    assert "secret" not in holder


@virtual
async def test_a_place_is_renewed_while_its_session_lives_and_free_soon_after_its_node_died() -> None:
    store, now = MemoryStore(), [0.0]

    def node() -> Admission:
        return Admission(Quotas(sessions_per_key=1), store, refusals=Metrics(lambda: 0), now=lambda: now[0])

    alive, dead, key = node(), node(), Visitor("127.0.0.1", "key")
    async with anyio.create_task_group() as tasks:
        assert await alive.admit(key, "a") is None
        async with alive.seated(key, "a"):
            tasks.start_soon(alive.keep_seats)
            for _ in range(5):
                now[0] += RENEWED_S
                await anyio.sleep(RENEWED_S)
            assert await dead.admit(key, "b") is not None
        tasks.cancel_scope.cancel()
    assert await dead.admit(key, "b") is None
    dead_seat = dead.seated(key, "b")
    await dead_seat.__aenter__()  # and never left: the node is gone
    assert await alive.admit(key, "c") is not None
    now[0] += LEASE_S
    assert await alive.admit(key, "c") is None


@virtual
async def test_who_calls_again_at_once_waits_for_the_place_of_a_session_that_has_hung_up() -> None:
    door, key = Door(sessions_per_key=2), Visitor("127.0.0.1", "key")
    ended_s, hung_up = [0.5, 9.0], [True, False]

    async def session(number: int) -> None:
        async with door.admission.seated(key, str(number), lambda: hung_up[number]):
            await anyio.sleep(ended_s[number])

    async def call(seat: str) -> None:
        page = await door.admission.admit(key, seat)
        came[seat] = page is None, anyio.current_time()

    came = dict[str, tuple[bool, float]]()
    async with anyio.create_task_group() as tasks:
        for number in range(2):
            assert await door.admission.admit(key, str(number)) is None
            tasks.start_soon(session, number)
        await anyio.sleep(0.1)
        for seat in ("first", "second"):
            tasks.start_soon(call, seat)
            await anyio.lowlevel.checkpoint()
        await anyio.sleep(2)
        hung_up[1] = True  # and is long about it
        tasks.start_soon(call, "third")
    assert came == {
        "second": (False, 0.1),  # one place is on its way back, and it has somebody
        "first": (True, 0.5),
        "third": (False, pytest.approx(2.1 + FREED_WITHIN_S)),
    }


class FarStore(MemoryStore):
    """A round trip takes a second."""

    async def claim(self, key: str, holder: str, places: int, lease_s: float, now: float) -> float:
        await anyio.sleep(0.5)
        wait_s = await super().claim(key, holder, places, lease_s, now)
        await anyio.sleep(0.5)
        return wait_s

    async def release(self, key: str, holder: str) -> None:
        await anyio.sleep(0.5)
        await super().release(key, holder)
        await anyio.sleep(0.5)


@pytest.mark.parametrize("leaves_before_s", [1.2, 0.6, 0.1, -0.2, -0.7])
@virtual
async def test_a_session_that_leaves_while_places_are_renewed_keeps_none(leaves_before_s: float) -> None:
    door, visitor = Door(store=FarStore(), sessions_per_key=1, sessions_per_address=1), Visitor(FAR, "key")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(door.admission.keep_seats)
        assert await door.admission.admit(visitor, "a") is None
        async with door.admission.seated(visitor, "a"):
            await anyio.sleep_until(RENEWED_S - leaves_before_s)
        await anyio.sleep_until(RENEWED_S + 10)
        assert await door.admission.admit(visitor, "b") is None
        tasks.cancel_scope.cancel()


SHOP = Visitor("127.0.0.1", "shop-key")
OF_SHOP = Visitor("127.0.0.1", "ek_1", is_secret=True, made_by=holder_of("shop-key"))
TILL = Visitor("127.0.0.1", "till-key")


def with_limits(**limits: int) -> Door:
    """What the shop has, while everybody else has what the quotas say."""
    shop = KeyLimits.model_validate(limits)
    quotas = {"sessions_per_key": 2, "responses_per_min_per_key": 2, "audio_s_per_hour_per_key": 3600}
    return Door({holder_of("shop-key"): shop}, None, **quotas)


async def test_a_key_has_sessions_of_its_own_with_those_of_its_secrets() -> None:
    door = with_limits(sessions=3)
    assert [await door.admission.admit(SHOP, seat) for seat in "ab"] == [None, None]
    assert await door.admission.admit(OF_SHOP, "c") is None
    for visitor in (SHOP, OF_SHOP):
        assert told(await door.admission.admit(visitor, "d")) == (429, "session_quota_reached", "5")
    assert [await door.admission.admit(TILL, seat) for seat in "ef"] == [None, None]
    assert told(await door.admission.admit(TILL, "g")) == (429, "session_quota_reached", "5")


async def test_a_key_has_requests_of_its_own_and_openings_are_some() -> None:
    door = with_limits(sessions=9, requests_per_min=3)
    for seat in "ab":
        assert await door.admission.admit(SHOP, seat) is None
    await door.admission.check_response(OF_SHOP)
    with pytest.raises(ClientError, match="3 requests a minute; try again in 20 s"):
        await door.admission.check_response(SHOP)
    assert told(await door.admission.admit(SHOP, "c")) == (429, "request_quota_reached", "20")
    await door.admission.check_response(TILL)
    door.now = 20.0
    assert await door.admission.admit(SHOP, "d") is None


async def test_a_key_has_audio_of_its_own() -> None:
    door = with_limits(audio_s_per_hour=60)
    assert await door.admission.spend_audio(SHOP, 55.0) == 0.0
    assert await door.admission.spend_audio(OF_SHOP, 10.0) == pytest.approx(300.0)
    assert await door.admission.spend_audio(TILL, 3600.0) == 0.0
    assert await door.admission.spend_audio(TILL, 1.0) > 0.0
    assert await door.admission.spend_audio(Visitor(FAR), 1e9) == 0.0


async def test_nodes_that_share_a_store_count_a_key_together() -> None:
    store, limits = MemoryStore(), {holder_of("shop-key"): KeyLimits(sessions=2, audio_s_per_hour=60)}
    one, two = (Door(limits, store) for _ in range(2))
    assert await one.admission.admit(SHOP, "a") is None
    assert await two.admission.admit(OF_SHOP, "b") is None
    assert told(await two.admission.admit(SHOP, "c")) == (429, "session_quota_reached", "5")
    assert await one.admission.spend_audio(SHOP, 60.0) == 0.0
    assert await two.admission.spend_audio(SHOP, 5.0) == pytest.approx(300.0)
