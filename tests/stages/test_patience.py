"""How long a stage waits for a provider."""

import anyio

from stages.patience import Lateness
from stages.testing.virtual_time import virtual


@virtual
async def test_each_of_many_waits_has_its_whole_time() -> None:
    lateness = Lateness(1.0)
    with lateness as scope:
        for _ in range(3):
            lateness.expect()
            await anyio.sleep(0.9)
            lateness.rest()
        await anyio.sleep(5.0)
        assert not scope.cancel_called, "nothing was waited for"
        lateness.expect()
        began_s = anyio.current_time()
        await anyio.sleep(0.5)
        lateness.expect()  # the same wait goes on
        await anyio.sleep(10.0)
    assert scope.cancelled_caught
    assert anyio.current_time() == began_s + 1.0


@virtual
async def test_a_wait_that_has_ended_leaves_no_timer() -> None:
    lateness = Lateness(1.0)
    with lateness as scope:
        lateness.expect()
    await anyio.sleep(2.0)
    assert not scope.cancel_called
