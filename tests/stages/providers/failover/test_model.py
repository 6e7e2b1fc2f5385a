"""The next language model answers when the first fails or is late before its first word, and never after it."""

import logging

import anyio
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
from stages.testing.virtual_time import virtual, virtual_loop

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


def hedging(*seconds: float, rival_s: float = 0.1) -> tuple[FailoverModel, ScriptedModel]:
    """A chain of two that hedges; the first takes so long for each of its answers."""
    first = ScriptedModel(*(Said("First.", conduct=Conduct(delay_s=one)) for one in seconds))
    second = ScriptedModel(Said("Second.", conduct=Conduct(delay_s=rival_s)))
    return FailoverModel.of({"first": first, "second": second}, hedge=True), second


async def answers(model: FailoverModel, times: int) -> tuple[list[str], float]:
    """What a session is answered, and how long the last answer took."""
    async with model.session() as session:
        given = [await answer(session) for _ in range(times - 1)]
        began = virtual_loop().time()
        return [*given, await answer(session)], virtual_loop().time() - began


@virtual
async def test_the_next_is_asked_beside_one_that_is_later_than_it_usually_is() -> None:
    model, second = hedging(*[0.3] * 10, 2.0)
    given, took_s = await answers(model, 11)
    assert given == ["First."] * 10 + ["Second."]
    assert took_s == pytest.approx(0.3 + 0.1)
    assert len(second.requests) == 1
    assert link_statistics()["llm", "first"].p95_s == pytest.approx(0.4), "its lateness counts"


@virtual
async def test_of_two_chains_with_the_same_names_the_newer_is_told() -> None:
    def chain() -> FailoverModel:
        providers = {
            "told": ScriptedModel(Said("Yes.", conduct=Conduct(delay_s=0.3))),
            "next": ScriptedModel(),
        }
        return FailoverModel.of(providers)

    chains = [
        chain() for _ in range(8)
    ]  # as after a configuration was read anew, and sessions go on with the old one
    await answer(chains[-1])
    assert link_statistics()["llm", "told"].p50_s == pytest.approx(0.3)
    newer = chain()
    assert link_statistics()["llm", "told"].p50_s is None
    await answer(chains[0])
    assert link_statistics()["llm", "told"].p50_s is None
    await answer(newer)
    assert link_statistics()["llm", "told"].p50_s == pytest.approx(0.3)


@virtual
async def test_the_first_may_still_win_and_no_word_is_said_twice() -> None:
    model, second = hedging(*[0.3] * 10, 0.5, rival_s=5.0)
    given, took_s = await answers(model, 11)
    assert given[-1] == "First."
    assert took_s == pytest.approx(0.5)
    assert len(second.requests) == 1


@virtual
async def test_hedges_have_a_budget_and_wait_until_it_is_known_what_is_usual() -> None:
    model, second = hedging(*[0.3] * 9, *[1.0] * 40, rival_s=5.0)
    await answers(model, 49)
    assert 1 <= len(second.requests) <= 1 + 49 * 0.1 + 1


@virtual
async def test_where_nobody_asked_for_it_nobody_is_asked_twice() -> None:
    first = ScriptedModel(*(Said("First.", conduct=Conduct(delay_s=one)) for one in [0.3] * 10 + [2.0]))
    second = ScriptedModel("Second.")
    given, _ = await answers(FailoverModel.of({"first": first, "second": second}), 11)
    assert given == ["First."] * 11
    assert not second.requests


@virtual
async def test_whoever_leaves_in_the_middle_of_a_race_leaves_nothing_behind() -> None:
    model, second = hedging(*[0.3] * 10, 2.5, rival_s=2.5)
    async with model.session() as session:
        for _ in range(10):
            await answer(session)
        with anyio.move_on_after(1.0):
            await answer(session)
        assert len(second.requests) == 1
    assert virtual_loop().time() == pytest.approx(10 * 0.3 + 1.0)


@virtual
async def test_a_hedged_chain_is_a_language_model() -> None:
    model, _ = hedging(0.0)
    await check_sessions(model, check_language_model)
