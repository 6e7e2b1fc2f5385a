"""A session may ask for so much a minute; what is beyond it is refused with the limit and the time to wait."""

import pytest

from server.domain.commands import AppendAudio, CancelResponse, Configure, CreateResponse, RetrieveItem
from server.domain.errors import ClientError, Fault
from server.domain.values import SessionConfig
from server.session.allowance import Allowance
from server.session.lifetime import Lifetime


def test_responses_are_counted_by_the_minute() -> None:
    allowance = Allowance(2, 1_000)
    for _ in range(2):
        allowance.check(CreateResponse(), 0, 0.0)
    with pytest.raises(ClientError, match=r"2 responses a minute; try again in 30 s") as refused:
        allowance.check(CreateResponse(), 0, 0.0)
    assert (refused.value.code, refused.value.blame) == (Fault.RATE_LIMIT, "limit")
    allowance.check(RetrieveItem("a"), 0, 0.0)
    allowance.check(CreateResponse(), 0, 30.0)


def test_who_is_sent_too_much_may_ask_for_nothing_until_it_is_less() -> None:
    allowance = Allowance(100, 600)
    allowance.check(RetrieveItem("a"), 599, 0.0)
    with pytest.raises(ClientError, match="600 bytes a minute; try again in 11 s"):
        allowance.check(RetrieveItem("a"), 700, 0.0)
    for command in (AppendAudio(b""), CancelResponse(), Configure(SessionConfig())):
        allowance.check(command, 700, 0.0)
    allowance.check(RetrieveItem("a"), 700, 10.2)


def test_a_session_is_over_when_it_is_old_or_its_client_is_silent() -> None:
    life = Lifetime(100.0, max_session_s=3600, max_idle_s=900, max_unused_s=60)
    assert (life.ends_at, life.over(159.0)) == (160.0, None)
    unused = life.over(160.0)
    assert unused is not None
    assert (
        str(unused.error) == "Your session has sent nothing since it was opened for 60 s, which is the limit."
    )
    life.heard(150.0)
    assert (life.ends_at, life.over(1000.0)) == (1050.0, None)
    idle = life.over(1050.0)
    assert idle is not None
    assert idle.error is not None
    assert (idle.close_code, idle.error.code) == (1001, "session_idle")
    life.heard(3_650.0)
    old = life.over(3700.0)
    assert old is not None
    assert old.error is not None
    assert (life.ends_at, old.error.code) == (3700.0, "session_expired")
