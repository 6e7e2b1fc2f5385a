"""The router goes by evidence, stays where it was without any, and says why."""

from collections.abc import Mapping

import pytest

from stageflow.context import ContextSnapshot
from stageflow.core import StageStatus
from stageflow.testing import run_stage
from stages.errors import StageSettingsError
from stages.router import Route, RouterStage

ROUTES = (
    Route("general"),
    Route("bookings", keywords=("table", "book a", "reservation"), patterns=(r"\bfor \d+\b",)),
    Route("billing", keywords=("invoice", "refund", "table of charges")),
)


async def route(text: str, **metadata: object) -> Mapping[str, object]:
    output = await run_stage(
        RouterStage(ROUTES, "general"),
        snapshot=ContextSnapshot(metadata=metadata),
        inputs={"stt": {"text": text}},
    )
    assert output.status is StageStatus.OK
    return output.data


async def test_a_keyword_decides() -> None:
    assert await route("I want a REFUND!") == {
        "route": "billing",
        "confidence": 1.0,
        "why": "matched refund",
    }


async def test_the_route_with_more_evidence_wins() -> None:
    data = await route("Book a table for 4 and send the invoice")
    assert (data["route"], data["confidence"]) == ("bookings", 0.75)


async def test_among_equals_the_previous_route_wins_or_else_the_first() -> None:
    assert (await route("table, invoice"))["route"] == "bookings"
    assert (await route("table, invoice", route="billing"))["route"] == "billing"


async def test_the_one_that_the_client_has_named_takes_the_place_of_the_default() -> None:
    assert (await route("hello", named_route="bookings"))["route"] == "bookings"
    assert (await route("hello", named_route="nobody"))["route"] == "general"
    assert (await route("a refund", named_route="bookings"))["route"] == "billing"
    assert (await route("thanks", named_route="bookings", route="billing"))["route"] == "billing"


async def test_without_evidence_it_stays() -> None:
    assert await route("yes please", route="billing") == {
        "route": "billing",
        "confidence": 0.5,
        "why": "stays on the previous route",
    }


@pytest.mark.parametrize("metadata", [{}, {"route": "closed down"}, {"route": None}])
async def test_without_evidence_and_history_it_takes_the_default(metadata: dict[str, object]) -> None:
    assert await route("yes please", **metadata) == {
        "route": "general",
        "confidence": 0.0,
        "why": "default",
    }


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(StageSettingsError) as caught:
        RouterStage((Route("a", keywords=("!",)), Route("a"), Route(" ", patterns=("[",))), "b")
    assert len(caught.value.faults) == 5


def test_no_routes_are_no_router() -> None:
    with pytest.raises(StageSettingsError, match="there are none"):
        RouterStage((), "general")
