"""What another node has left is taken up, or refused in a way that a client understands."""

import anyio
import pytest

from server.domain.ids import Ids
from server.domain.values import SessionConfig
from server.gateway.returns.returning import NOT_RESUMED, NotResumed, ResumeClaim
from server.reception import Earlier, SeatHolder
from server.session.snapshot import Snapshot
from tests.support.stage import QueueWire, Stage, play, voice_v1


@pytest.mark.parametrize("kept", ["", "[]", "{}", '{"realtime": {}, "came_samples": 0}', '{"realtime": []}'])
def test_what_another_version_of_the_server_has_kept_is_refused_as_one_that_is_gone(kept: str) -> None:
    earlier = Earlier(Snapshot("sess_1", dialect=kept), ResumeClaim(0, "token"))
    with pytest.raises(NotResumed) as refused:
        earlier.restore(voice_v1(SessionConfig()), Ids())
    assert refused.value.close_code == NOT_RESUMED


@pytest.mark.parametrize("grace_s", [0.0, 30.0])
def test_a_session_that_waits_for_its_client_is_not_about_to_free_its_place(grace_s: float) -> None:
    """A caller who finds no place does not wait a moment for this one's."""

    async def story(stage: Stage) -> None:
        caller = SeatHolder(lambda: True)
        assert caller.is_left(), "no session yet, and nobody there"
        caller.session = stage.session
        assert not caller.is_left(), "it goes on over the connection there is"
        stage.wire.close_code = 1006
        stage.wire.hang_up()
        await anyio.sleep(0.1)
        assert caller.is_left() == (not grace_s)
        if grace_s:
            stage.wire = QueueWire()
            stage.session.link.attach(stage.wire)
            assert not caller.is_left(), "it has come back"
            stage.wire.close_code = 1000

    play(lambda: Stage("Hello.", dialect=voice_v1, grace_s=grace_s), story)
