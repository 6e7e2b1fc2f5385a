"""A turn has a limited share of the calls of tools that run here."""

from stageflow.tools import ToolCall, ToolRegistry
from stages.client_tools import ToolTurn
from stages.testing.virtual_time import virtual


async def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@virtual
async def test_a_turn_has_its_share_of_calls() -> None:
    turn = ToolTurn(ToolRegistry((add,), max_calls_per_turn=2))
    call = ToolCall("1", "add", '{"a": 1}')
    assert [(await turn.execute(call)).error for _ in range(3)] == [None, None, "limit"]
    assert turn.tools == ()
    assert ToolTurn(turn.registry).tools != ()
