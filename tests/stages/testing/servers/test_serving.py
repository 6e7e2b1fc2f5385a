"""The fake server itself: it misbehaves as it was told, and what the client does wrong fails the test."""

import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from stages.testing.servers.faults import NONE, Acknowledge, Faults
from stages.testing.servers.line import GARBAGE, Line, Opening, Refusal
from stages.testing.servers.serving import serving


class Echo:
    """Acknowledges every message that has a text, and nothing else."""

    def judge(self, opening: Opening) -> Refusal | None:
        return None if opening.one("model") == "echo" else Refusal(400, "unknown model")

    async def refuse(self, line: Line) -> None:
        await line.close(4001, "refused")

    async def converse(self, line: Line) -> None:
        async for message in line.messages():
            if line.fields(json.loads(message), {"text": str}):
                await line.acknowledge({"ack": message})


ASK = json.dumps({"text": "hi"})


async def test_it_serves_and_records() -> None:
    async with serving(Echo()) as server, connect(f"{server.url}/?model=echo") as client:
        await client.send(ASK)
        assert json.loads(await client.recv()) == {"ack": ASK}
        assert [frame.data for frame in server.sent()] == [{"text": "hi"}]
        assert server.openings[0].one("model") == "echo"


async def test_it_refuses_as_the_service_would() -> None:
    async with serving(Echo()) as server:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{server.url}/?model=other")
        assert refused.value.response.status_code == 400


async def test_it_refuses_as_it_is_told() -> None:
    async with serving(Echo(), Faults(refuse_status=429, retry_after_s=7, connections=1)) as server:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{server.url}/?model=echo")
        assert refused.value.response.headers["Retry-After"] == "7"
        async with connect(f"{server.url}/?model=echo"):
            pass


@pytest.mark.parametrize(
    ("faults", "heard"),
    [
        (NONE, 1),
        (Faults(acknowledge=Acknowledge.TWICE), 2),
        (Faults(acknowledge=Acknowledge.LATE, late_s=0.05), 1),
        (Faults(garbage_after=0), 1),
    ],
)
async def test_acknowledgements(faults: Faults, heard: int) -> None:
    async with serving(Echo(), faults) as server, connect(f"{server.url}/?model=echo") as client:
        await client.send(ASK)
        said = [await client.recv() for _ in range(heard)]
        assert (said == [GARBAGE]) == (faults.garbage_after is not None)


@pytest.mark.parametrize(("code", "seen"), [(None, None), (1011, 1011)])
async def test_it_cuts_the_line(code: int | None, seen: int | None) -> None:
    faults = Faults(cut_after=0, cut_code=code)
    async with serving(Echo(), faults) as server, connect(f"{server.url}/?model=echo") as client:
        await client.send(ASK)
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert (closed.value.rcvd and closed.value.rcvd.code) == seen


@pytest.mark.parametrize("wrong", [{"text": 1}, {}, {"text": "hi", "colour": "red"}])
async def test_what_the_client_does_wrong_fails_the_test(wrong: dict[str, object]) -> None:
    async def misbehave() -> None:
        async with serving(Echo()) as server, connect(f"{server.url}/?model=echo") as client:
            await client.send(json.dumps(wrong))
            await server.until(lambda server: bool(server.complaints))

    with pytest.raises(AssertionError, match="does not speak the protocol"):
        await misbehave()
