"""What another node has left is taken up, or refused in a way that a client understands."""

import pytest

from server.domain.ids import Ids
from server.domain.values import SessionConfig
from server.gateway.returning import NOT_RESUMED, NotResumed, ResumeClaim
from server.reception import Earlier
from server.session.snapshot import Snapshot
from tests.support.stage import voice_v1


@pytest.mark.parametrize("kept", ["", "[]", "{}", '{"realtime": {}, "came_samples": 0}', '{"realtime": []}'])
def test_what_another_version_of_the_server_has_kept_is_refused_as_one_that_is_gone(kept: str) -> None:
    earlier = Earlier(Snapshot("sess_1", dialect=kept), ResumeClaim(0, "token"))
    with pytest.raises(NotResumed) as refused:
        earlier.restore(voice_v1(SessionConfig()), Ids())
    assert refused.value.close_code == NOT_RESUMED
