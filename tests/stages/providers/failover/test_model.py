"""The next language model answers when the first fails or is late before its first word, and never after it."""

import logging

import pytest

from stageflow.context import Message
from stages.errors import ErrorKind, ProviderError, ProviderRejected
from stages.ports import LanguageModel, TextDelta
from stages.providers.failover.breaker import FAILURES
from stages.providers.failover.chain import changes_over, link_statistics
from stages.providers.failover.model import LATE_S, FailoverModel
from stages.testing.contracts import check_language_model
from stages.testing.fakes import Conduct, Said, ScriptedModel
from stages.testing.session_contracts import check_sessions
from tests.support.virtual_time import virtual, virtual_loop

HELLO = (Message(role="user", content="Hello."),)
FAILS, HANGS = Conduct(fails=ProviderError), Conduct(hangs=True)


async def answer(model: LanguageModel) -> str:
    return "".join([event.text async for event in model.stream(HELLO) if isinstance(event, TextDelta)])


@virtual
async def test_one_that_fails_is_followed_at_once_and_that_is_told(caplog: pytest.LogCaptureFixture) -> None:
    before = changes_over().get(("llm", "first", "second"), 0)
    with caplog.at_level(logging.WARNING):
        model = FailoverModel.of(
            {"first": ScriptedModel(Said("", conduct=FAILS)), "second": ScriptedModel("Yes.")}
        )
        assert await answer(model) == "Yes."
    assert virtual_loop().time() == 0
    assert changes_over()["llm", "first", "second"] == before + 1
    assert "second takes over from first" in caplog.text


@virtual
async def test_one_that_hangs_is_followed_when_it_is_late() -> None:
    model = FailoverModel.of(
        {"slow": ScriptedModel(Said("No.", conduct=HANGS)), "quick": ScriptedModel("Yes.")}
    )
    assert await answer(model) == "Yes."
    assert virtual_loop().time() == pytest.approx(LATE_S)


@virtual
async def test_the_last_has_all_the_time_that_its_caller_has() -> None:
    slow = ScriptedModel(Said("At last.", conduct=Conduct(delay_s=4 * LATE_S)))
    assert (
        await answer(FailoverModel.of({"bad": ScriptedModel(Said("", conduct=FAILS)), "slow": slow}))
        == "At last."
    )


@virtual
async def test_after_a_word_nobody_takes_over() -> None:
    other = ScriptedModel("Yes.")
    breaks = ScriptedModel(Said("Not at all", conduct=Conduct(fails=ProviderError, after=1)))
    events = FailoverModel.of({"breaks": breaks, "other": other}).stream(HELLO)
    assert await anext(events) == TextDelta("Not")
    with pytest.raises(ProviderError):
        await anext(events)
    assert not other.requests


@virtual
async def test_when_all_fail_the_last_error_is_raised() -> None:
    last = ScriptedModel(Said("", conduct=Conduct(fails=ProviderRejected)))
    with pytest.raises(ProviderRejected):
        await answer(FailoverModel.of({"first": ScriptedModel(Said("", conduct=FAILS)), "last": last}))


@virtual
async def test_one_that_keeps_failing_is_left_alone_and_asked_when_all_others_fail_too() -> None:
    bad = ScriptedModel(Said("", conduct=FAILS))
    good = ScriptedModel(*["Yes."] * (FAILURES + 1), Said("", conduct=FAILS))
    model = FailoverModel.of({"left-alone": bad, "good": good})
    for _ in range(FAILURES + 1):
        assert await answer(model) == "Yes."
    assert len(bad.requests) == FAILURES
    assert link_statistics()["llm", "left-alone"].state == "open"
    assert link_statistics()["llm", "good"].p50_s == 0
    with pytest.raises(ProviderError):
        await answer(model)
    assert len(bad.requests) == FAILURES + 1


@virtual
async def test_a_request_that_is_at_fault_itself_says_nothing_of_the_provider() -> None:
    class TooLong(ProviderError):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, kind=ErrorKind.BAD_REQUEST)

    picky = ScriptedModel(Said("", conduct=Conduct(fails=TooLong)))
    model = FailoverModel.of({"picky": picky, "other": ScriptedModel("Yes.")})
    for _ in range(2 * FAILURES):
        assert await answer(model) == "Yes."
    assert len(picky.requests) == 2 * FAILURES


async def test_it_is_a_language_model() -> None:
    bad = ScriptedModel(Said("", conduct=FAILS))
    model = FailoverModel.of({"bad": bad, "good": ScriptedModel("At your service, always.")})
    await check_language_model(model)
    await check_sessions(model, check_language_model)
