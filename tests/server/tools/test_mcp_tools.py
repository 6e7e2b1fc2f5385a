"""Tools that the server lists and runs for its client, over a whole session in virtual time."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.conversation.history import PENDING
from server.domain.deadlines import Deadlines
from server.tools.mcp_calls import MAX_OUTPUT_CHARS, MAX_WAITING
from server.tools.mcp_servers import LISTING_S, MAX_LISTING_CHARS, MAX_OPENINGS, RETRY_S
from stageflow.context import Message
from stageflow.tools import Tool, ToolCall
from stages.errors import ToolServerError
from stages.ports import OneTool
from stages.testing.fake_tools import ScriptedToolServer, ScriptedToolServers
from stages.testing.fakes import Conduct, Said
from tests.support.stage import LONG, SlowGuard, Stage, hosting, play, speak
from tests.support.trace_checker import check_trace

MCP = {"type": "mcp", "server_label": "shop", "server_url": "http://tools/mcp", "require_approval": "never"}
LISTED, CALLED, CALL_DONE = (
    "mcp_list_tools.completed",
    "response.mcp_call.in_progress",
    "response.mcp_call.completed",
)
FAILED, DONE, ITEM_DONE = "response.mcp_call.failed", "response.done", "conversation.item.done"
STOCK = ToolCall("call_0", "stock", '{"what": "shoes"}')
BUY = ToolCall("call_0", "buy", '{"what": "shoes"}')


async def stock(what: str) -> str:
    """How many there are."""
    if what == "hats":
        raise ValueError("we have no hats")
    return "x" * 100_000 if what == "everything" else f"7 {what}"


async def buy(what: str) -> str:
    """Buy one."""
    return f"bought {what}"


def shop(calling: Conduct = Conduct(), connecting: Conduct = Conduct()) -> ScriptedToolServer:
    return ScriptedToolServer((Tool.of(stock, effect="none"), Tool.of(buy)), connecting, calling)


def with_shop(
    *answers: str | Said, server: ScriptedToolServer | None = None, **extra: Any
) -> Callable[[], Stage]:
    servers = ScriptedToolServers(tools=server or shop())
    return lambda: Stage(*answers, dialect=hosting, tool_servers=servers, **extra)


async def has_tools(stage: Stage, *tools: dict[str, Any], **session: Any) -> None:
    stage.wire.say("session.update", session={"type": "realtime", "tools": tools or [MCP], **session})
    await stage.wire.until(LISTED)


def ask_again(stage: Stage, **response: Any) -> None:
    stage.wire.say("response.create", response={"output_modalities": ["text"], **response})


def told(stage: Stage, request: int = -1) -> list[tuple[str, str]]:
    """What the model was told last, without its instructions."""
    messages: tuple[Message, ...] = stage.model.requests[request].messages
    return [(message.role, message.content) for message in messages if message.role != "system"]


def offered(stage: Stage, request: int = -1) -> list[str]:
    return [tool.name for tool in stage.model.requests[request].tools]


def items(stage: Stage, kind: str, event: str = ITEM_DONE) -> list[dict[str, Any]]:
    found = [seen["item"] for seen in stage.wire.events() if seen["type"] == event]
    return [item for item in found if item["type"] == kind]


def since(stage: Stage, kind: str) -> list[str]:
    """What was told from the first event of a kind on, without the words and sounds."""
    types = stage.wire.types()
    wanted = types[types.index(kind) :]
    return [type for type in wanted if "output_audio" not in type and "output_text" not in type]


def at(stage: Stage, kind: str) -> float:
    return next(at for at, event in stage.wire.seen if event["type"] == kind)


# --- listing ----------------------------------------------------------------------------------------------


def test_the_tools_of_a_server_are_listed_and_offered() -> None:
    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.ask("Hi.", "text")
        await stage.wire.until(DONE)

    stage = play(with_shop("Hello."), story)
    check_trace(stage.wire.events())
    assert since(stage, "session.updated")[1:5] == [
        "conversation.item.added",
        "mcp_list_tools.in_progress",
        LISTED,
        ITEM_DONE,
    ]
    (listing,) = items(stage, "mcp_list_tools")
    assert (listing["server_label"], [tool["name"] for tool in listing["tools"]]) == (
        "shop",
        ["stock", "buy"],
    )
    first = listing["tools"][0]
    assert first["description"] == "How many there are."
    assert first["input_schema"]["required"] == ["what"]
    assert first["annotations"] == {"readOnlyHint": True}
    assert offered(stage) == ["stock", "buy"]
    assert told(stage) == [("user", "Hi.")]


def test_a_response_waits_for_a_server_that_is_still_listing() -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say("session.update", session={"type": "realtime", "tools": [MCP]})
        stage.ask("Hi.", "text")
        await stage.wire.until(DONE)

    stage = play(with_shop("Hello.", server=shop(connecting=Conduct(delay_s=2))), story)
    assert offered(stage) == ["stock", "buy"]
    assert at(stage, "response.output_text.delta") == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(
    ("connecting", "reason"),
    [
        (Conduct(hangs=True), f"it did not answer within {LISTING_S:g} s"),
        (Conduct(fails=ToolServerError), "scripted to fail after 0 results"),
    ],
)
def test_a_server_that_cannot_be_listed_costs_only_its_tools(connecting: Conduct, reason: str) -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say("session.update", session={"type": "realtime", "tools": [MCP]})
        stage.ask("Hi.", "text")
        await stage.wire.until(DONE)

    stage = play(with_shop("Hello.", server=shop(connecting=connecting)), story)
    check_trace(stage.wire.events())
    assert "mcp_list_tools.failed" in stage.wire.types()
    (listing,) = items(stage, "mcp_list_tools")
    assert (listing["tools"], listing["x_error"]) == ([], reason)
    assert offered(stage) == []


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"type": "object", "x": float("nan")}, "cannot be told in JSON"),
        ({"type": "object", "x": "x" * MAX_LISTING_CHARS}, f"the limit is {MAX_LISTING_CHARS}"),
    ],
)
def test_tools_that_cannot_be_told_are_not_listed(parameters: dict[str, Any], reason: str) -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say("session.update", session={"type": "realtime", "tools": [MCP]})
        await stage.wire.until("mcp_list_tools.failed")

    server = ScriptedToolServer((Tool("odd", "Odd.", parameters, buy),))
    stage = play(with_shop("Hello.", server=server), story)
    check_trace(stage.wire.events())
    assert reason in items(stage, "mcp_list_tools")[0]["x_error"]


def test_naming_a_server_again_tries_again_and_taking_it_out_closes_it() -> None:
    server = shop(connecting=Conduct(fails=ToolServerError))
    open_connections: list[int] = []

    async def story(stage: Stage) -> None:
        update = {"type": "realtime", "tools": [MCP]}
        stage.wire.say("session.update", session=update)
        await stage.wire.until("mcp_list_tools.failed")
        server.connecting = Conduct()
        stage.wire.say("session.update", session=update)
        await stage.wire.until(LISTED)
        stage.wire.say(
            "session.update", session={**update, "instructions": "Be brief."}
        )  # no change of its tools
        await stage.wire.until("session.updated", 3)
        open_connections.append(server.connections)
        stage.wire.say("session.update", session={"type": "realtime", "tools": []})
        await stage.wire.until("session.updated", 4)
        await anyio.sleep(0.1)
        open_connections.append(server.connections)

    stage = play(with_shop("Hello.", server=server), story)
    assert stage.wire.types().count("mcp_list_tools.in_progress") == 2
    assert open_connections == [1, 0]


def test_a_session_that_ends_closes_its_connections() -> None:
    server = shop()
    play(with_shop("Hello.", server=server), has_tools)
    assert (len(server.headers), server.connections) == (1, 0)


def test_what_only_the_server_may_see_reaches_it_and_nobody_else() -> None:
    server = shop()
    tool = {**MCP, "authorization": "s3cret", "headers": {"X-Shop": "s3cret too"}}

    async def story(stage: Stage) -> None:
        await has_tools(stage, tool)

    stage = play(with_shop("Hello.", server=server), story)
    assert server.headers[0] == {"Authorization": "Bearer s3cret", "X-Shop": "s3cret too"}
    assert "s3cret" not in str(stage.wire.events())
    updated = next(event for event in stage.wire.events() if event["type"] == "session.updated")
    assert updated["session"]["tools"] == [MCP]


def test_tools_of_one_name_get_names_of_their_own() -> None:
    other = {**MCP, "server_label": "other", "server_url": "http://other/mcp", "allowed_tools": ["stock"]}
    function = {"type": "function", "name": "buy"}
    servers = ScriptedToolServers(tools=shop(), other=shop())
    call = ToolCall("call_0", "other__stock", '{"what": "shoes"}')

    async def story(stage: Stage) -> None:
        stage.wire.say("session.update", session={"type": "realtime", "tools": [MCP, other, function]})
        await stage.wire.until(LISTED, 2)
        stage.ask("Hi.", "text")
        await stage.wire.until(CALL_DONE)

    stage = play(lambda: Stage(Said(calls=(call,)), dialect=hosting, tool_servers=servers), story)
    assert offered(stage) == ["buy", "stock", "shop__buy", "other__stock"]
    (made,) = items(stage, "mcp_call")
    assert (made["server_label"], made["name"], made["output"]) == ("other", "stock", "7 shoes")


# --- calls ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [STOCK, BUY])
def test_a_call_ends_the_response_is_run_and_its_result_answered(call: ToolCall) -> None:
    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.ask("Shoes?")
        await stage.wire.until(CALL_DONE)
        ask_again(stage)
        await stage.wire.until(DONE, 2)

    stage = play(with_shop(Said("One moment.", (call,)), "There you are."), story)
    check_trace(stage.wire.events())
    order = since(stage, "response.mcp_call_arguments.delta")
    assert order[: order.index(CALL_DONE) + 2] == [
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.output_item.done",
        DONE,
        "rate_limits.updated",
        CALLED,
        CALL_DONE,
        ITEM_DONE,
    ]
    result = {"stock": "7 shoes", "buy": "bought shoes"}[call.name]
    (made,) = items(stage, "mcp_call")
    assert (made["name"], made["arguments"], made["output"]) == (call.name, call.arguments, result)
    assert told(stage) == [("user", "Shoes?"), ("assistant", "One moment."), ("tool", result)]
    asked = stage.model.requests[-1].messages
    assert asked[-2].tool_calls[0].id == asked[-1].tool_call_id


def test_what_only_looks_starts_before_the_words_are_spoken_and_what_acts_does_not() -> None:
    starts: dict[str, float] = {}

    def noting(name: str) -> Any:
        async def run(what: str) -> str:
            """Note when."""
            starts[name] = anyio.current_time()
            return what

        run.__name__ = name
        return run

    server = ScriptedToolServer((Tool.of(noting("stock"), effect="none"), Tool.of(noting("buy"))))

    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.ask("Shoes?")
        await stage.wire.until(CALL_DONE, 2)

    stage = play(with_shop(Said(LONG, (STOCK, BUY)), server=server), story)
    check_trace(stage.wire.events())
    assert starts["stock"] < at(stage, "response.output_audio.delta") + 0.1
    assert starts["buy"] >= at(stage, DONE) > starts["stock"] + 5


@pytest.mark.parametrize("blocks", [False, True])
def test_a_call_that_acts_waits_for_the_guard(blocks: bool) -> None:
    server = shop()

    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.ask("Shoes?")
        await stage.wire.until(DONE)
        await anyio.sleep(5)

    stage = play(with_shop(Said(calls=(BUY,)), server=server, guard=SlowGuard(blocks=blocks)), story)
    check_trace(stage.wire.events())
    assert [name for name, _ in server.calls] == ([] if blocks else ["buy"])
    assert blocks or at(stage, CALLED) >= 1.0


@pytest.mark.parametrize("call", [STOCK, BUY])
def test_a_call_for_words_that_were_not_the_last_is_taken_back(call: ToolCall) -> None:
    server = shop(calling=Conduct(delay_s=5))

    async def story(stage: Stage) -> None:
        await has_tools(stage)
        await speak(stage, 1.0, 0.3)  # a pause in which the answer is prepared
        await speak(stage, 1.0)
        await stage.wire.until(DONE)
        await anyio.sleep(10)

    stage = play(with_shop(Said(calls=(call,)), "All right.", server=server), story)
    check_trace(stage.wire.events())
    assert len(stage.model.requests) == 2
    assert [name for name, _ in server.calls] == (["stock"] if call is STOCK else [])
    assert items(stage, "mcp_call", "conversation.item.added") == []


def test_a_result_that_comes_after_a_barge_in_is_not_lost() -> None:
    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.ask("Shoes?")
        await stage.wire.until(CALLED)
        await anyio.sleep(1.4)  # for the last of the preamble to be heard
        await speak(stage, 1.0)  # while the server is still looking
        await stage.wire.until(DONE, 2)
        await stage.wire.until(CALL_DONE)
        ask_again(stage)
        await stage.wire.until(DONE, 3)

    answers = (Said("One moment.", (BUY,)), "I am on it.", "It is yours.")
    stage = play(with_shop(*answers, server=shop(calling=Conduct(delay_s=12))), story)
    check_trace(stage.wire.events())
    meanwhile, after = told(stage, 1), told(stage, 2)
    assert meanwhile[1:] == [("assistant", "One moment."), ("tool", PENDING), ("user", "hello there")]
    assert after[1:4] == [("assistant", "One moment."), ("tool", "bought shoes"), ("user", "hello there")]


def test_a_call_that_was_talked_over_before_it_went_out_was_never_made() -> None:
    server = shop()

    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.ask("Shoes?")
        await stage.wire.until("response.output_audio.delta")
        await speak(stage, 1.0)
        await stage.wire.until(DONE, 2)

    stage = play(with_shop(Said(LONG, (BUY,)), "Yes?", server=server), story)
    check_trace(stage.wire.events())
    assert not server.calls
    assert "tool" not in [role for role, _ in told(stage)]


# --- what goes wrong --------------------------------------------------------------------------------------


def failed(server: ScriptedToolServer, call: ToolCall) -> tuple[dict[str, Any], str]:
    """The error of a call that fails, and what the model is told of it."""

    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.ask("Shoes?", "text")
        await stage.wire.until(FAILED)
        ask_again(stage)
        await stage.wire.until(DONE, 2)

    stage = play(with_shop(Said(calls=(call,)), "Sorry.", server=server), story)
    check_trace(stage.wire.events())
    (made,) = items(stage, "mcp_call")
    assert made["output"] is None
    return made["error"], told(stage)[-1][1]


def test_an_error_of_the_tool_reaches_client_and_model() -> None:
    error, result = failed(shop(), ToolCall("call_0", "stock", '{"what": "hats"}'))
    assert error["type"] == "tool_execution_error"
    assert "we have no hats" in error["message"]
    assert "we have no hats" in result


def test_a_call_without_arguments_that_can_be_read_fails() -> None:
    error, _ = failed(shop(), ToolCall("call_0", "stock", "[1"))
    assert error == {
        "type": "protocol_error",
        "code": -32602,
        "message": "the arguments are not a JSON object",
    }


def test_a_call_that_is_not_answered_fails_in_time() -> None:
    error, _ = failed(shop(calling=Conduct(hangs=True)), BUY)
    assert error["type"] == "http_error"
    assert f"{Deadlines().mcp_call_s:g} s" in error["message"]


def test_a_server_that_fails_in_a_call() -> None:
    error, _ = failed(shop(calling=Conduct(fails=ToolServerError)), BUY)
    assert error["type"] == "http_error"


def test_a_long_result_is_cut() -> None:
    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.ask("All?", "text")
        await stage.wire.until(CALL_DONE)

    stage = play(with_shop(Said(calls=(ToolCall("c", "stock", '{"what": "everything"}'),))), story)
    (made,) = items(stage, "mcp_call")
    assert MAX_OUTPUT_CHARS < len(made["output"]) < MAX_OUTPUT_CHARS + 200
    assert made["output"].endswith("of 100000 characters]")


def test_a_server_that_is_lost_is_tried_again_by_replies_now_and_then() -> None:
    server = shop()

    async def story(stage: Stage) -> None:
        await has_tools(stage)
        server.lose()
        for count, pause_s in enumerate((1.0, 1.0, RETRY_S, RETRY_S), 1):
            await anyio.sleep(pause_s)
            if count == 4:
                server.is_lost = False
            stage.ask("Shoes?", "text")
            await stage.wire.until(DONE, count)

    stage = play(with_shop("Hello.", server=server), story)
    check_trace(stage.wire.events())
    assert [offered(stage, n) for n in range(4)] == [[], [], [], ["stock", "buy"]]
    assert stage.wire.types().count("mcp_list_tools.in_progress") == 4  # the second response came too soon


def test_a_call_whose_server_is_lost_meanwhile_fails() -> None:
    server = shop()

    async def story(stage: Stage) -> None:
        await has_tools(stage, {**MCP, "require_approval": "always"})
        stage.ask("Shoes?", "text")
        request_id = await asked(stage)
        server.lose()
        await anyio.sleep(1)
        approve(stage, request_id, True)
        await stage.wire.until(FAILED)

    stage = play(with_shop(Said(calls=(BUY,)), server=server), story)
    check_trace(stage.wire.events())
    assert items(stage, "mcp_call")[0]["error"]["message"] == "there is no connection to the server"


def test_a_server_that_is_taken_out_finishes_its_calls() -> None:
    server = shop(calling=Conduct(delay_s=5))
    open_connections: list[int] = []

    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.ask("Shoes?", "text")
        await stage.wire.until(CALLED)
        stage.wire.say("session.update", session={"type": "realtime", "tools": []})
        await stage.wire.until(CALL_DONE)
        await anyio.sleep(0.1)
        open_connections.append(server.connections)

    stage = play(with_shop(Said(calls=(BUY,)), server=server), story)
    check_trace(stage.wire.events())
    assert items(stage, "mcp_call")[0]["output"] == "bought shoes"
    assert open_connections == [0]


def test_a_session_cannot_open_connections_without_end() -> None:
    server = shop()

    async def story(stage: Stage) -> None:
        for n in range(1, MAX_OPENINGS + 2):
            tool = {**MCP, "headers": {"X-Try": str(n)}}
            stage.wire.say("session.update", session={"type": "realtime", "tools": [tool]})
            await stage.wire.until("session.updated", n)
        await stage.wire.until("mcp_list_tools.failed")

    stage = play(with_shop("Hello.", server=server), story)
    assert f"{MAX_OPENINGS} connections" in items(stage, "mcp_list_tools")[-1]["x_error"]
    assert server.connections == 0


# --- approval ---------------------------------------------------------------------------------------------


def approve(stage: Stage, request_id: str, approve: bool, **more: Any) -> None:
    item = {"type": "mcp_approval_response", "approval_request_id": request_id, "approve": approve, **more}
    stage.wire.say("conversation.item.create", item=item, event_id="c9")


async def asked(stage: Stage, count: int = 1) -> str:
    """The id of the item that asks whether a call may be made, once its response is over."""
    await stage.wire.until(DONE, count)
    return str(items(stage, "mcp_approval_request")[-1]["id"])


def test_a_call_that_is_approved_of_is_run() -> None:
    server = shop()

    async def story(stage: Stage) -> None:
        await has_tools(stage, {**MCP, "require_approval": "always"})
        stage.ask("Shoes?", "text")
        request_id = await asked(stage)
        await anyio.sleep(60)
        assert not server.calls
        approve(stage, request_id, True)
        await stage.wire.until(CALL_DONE)
        ask_again(stage)
        await stage.wire.until(DONE, 2)

    stage = play(with_shop(Said(calls=(STOCK,)), "Seven.", server=server), story)
    check_trace(stage.wire.events())
    first = next(event["response"] for event in stage.wire.events() if event["type"] == DONE)
    assert [item["type"] for item in first["output"]] == ["mcp_call", "mcp_approval_request"]
    (request,) = items(stage, "mcp_approval_request")
    assert (request["server_label"], request["name"], request["arguments"]) == (
        "shop",
        "stock",
        STOCK.arguments,
    )
    (made,) = items(stage, "mcp_call")
    assert (made["approval_request_id"], made["output"]) == (request["id"], "7 shoes")
    assert told(stage) == [("user", "Shoes?"), ("assistant", ""), ("tool", "7 shoes")]


def test_a_call_that_is_declined_is_not_run_and_the_model_knows_why() -> None:
    server = shop()

    async def story(stage: Stage) -> None:
        await has_tools(stage, {**MCP, "require_approval": {"never": {"read_only": True}}})
        stage.ask("Shoes?", "text")
        approve(stage, await asked(stage), False, reason="too dear")
        await stage.wire.until(FAILED)
        ask_again(stage)
        await stage.wire.until(DONE, 2)

    stage = play(with_shop(Said(calls=(BUY,)), "All right.", server=server), story)
    check_trace(stage.wire.events())
    assert not server.calls
    (made,) = items(stage, "mcp_call")
    assert made["error"] == {"type": "tool_execution_error", "message": "the user has declined it: too dear"}
    assert told(stage)[-1] == ("tool", "The call failed: the user has declined it: too dear")


def test_a_call_that_waits_for_approval_does_not_stop_the_conversation() -> None:
    async def story(stage: Stage) -> None:
        await has_tools(stage, {**MCP, "require_approval": "always"})
        stage.ask("Shoes?", "text")
        request_id = await asked(stage)
        await speak(stage, 1.0)
        await stage.wire.until(DONE, 2)
        approve(stage, request_id, True)
        await stage.wire.until(CALL_DONE)

    stage = play(with_shop(Said(calls=(BUY,)), "May I?"), story)
    check_trace(stage.wire.events())
    assert told(stage) == [("user", "Shoes?"), ("assistant", ""), ("tool", PENDING), ("user", "hello there")]


def test_only_a_call_that_waits_can_be_approved_of_and_only_once() -> None:
    server = shop()

    async def story(stage: Stage) -> None:
        await has_tools(stage, {**MCP, "require_approval": "always"})
        stage.ask("Shoes?", "text")
        request_id = await asked(stage)
        approve(stage, "item_x", True)
        error = (await stage.wire.until("error"))["error"]
        assert (error["code"], error["param"]) == ("invalid_value", "item.approval_request_id")
        assert error["event_id"] == "c9"
        approve(stage, request_id, True)
        await stage.wire.until(CALL_DONE)
        approve(stage, request_id, True)
        await stage.wire.until("error", 2)

    play(with_shop(Said(calls=(BUY,)), server=server), story)
    assert len(server.calls) == 1


def test_calls_do_not_wait_for_approval_without_end() -> None:
    many = tuple(replace(BUY, arguments=f'{{"what": "{n}"}}') for n in range(MAX_WAITING + 2))

    async def story(stage: Stage) -> None:
        await has_tools(stage, {**MCP, "require_approval": "always"})
        stage.ask("Shoes?", "text")
        await stage.wire.until(FAILED, 2)

    stage = play(with_shop(Said(calls=many)), story)
    trace = stage.wire.events()
    assert [item["arguments"] for item in items(stage, "mcp_call")] == [call.arguments for call in many[:2]]
    assert {event["type"] for event in trace if "error" in event["type"]} == set()


# --- for one response, and not beside the conversation ---------------------------------------------------------


def test_a_server_may_be_named_for_one_response_alone() -> None:
    server = shop()

    async def story(stage: Stage) -> None:
        ask_again(stage, tools=[MCP], tool_choice={"type": "mcp", "server_label": "shop", "name": "stock"})
        await stage.wire.until(CALL_DONE)
        ask_again(stage)
        await stage.wire.until(DONE, 2)

    stage = play(with_shop(Said(calls=(STOCK,)), "Seven.", server=server), story)
    check_trace(stage.wire.events())
    assert stage.model.requests[0].tool_choice == OneTool("stock")
    assert [offered(stage, 0), offered(stage, 1)] == [["stock", "buy"], []]
    assert told(stage) == [("assistant", ""), ("tool", "7 shoes")]


def test_a_response_beside_the_conversation_has_no_hosted_tools() -> None:
    async def story(stage: Stage) -> None:
        await has_tools(stage)
        ask_again(stage, conversation="none")
        await stage.wire.until(DONE)
        ask_again(stage, conversation="none", tools=[MCP])
        error = (await stage.wire.until("error"))["error"]
        assert error["param"] == "response.tools"

    stage = play(with_shop("Hello."), story)
    assert offered(stage) == []


def test_a_client_cannot_say_what_came_of_a_hosted_call() -> None:
    async def story(stage: Stage) -> None:
        await has_tools(stage)
        stage.ask("Shoes?", "text")
        await stage.wire.until(CALLED)
        call_id = stage.session.messages()[-1].tool_call_id
        output = {"type": "function_call_output", "call_id": call_id, "output": "a thousand"}
        stage.wire.say("conversation.item.create", item=output)
        assert (await stage.wire.until("error"))["error"]["code"] == "invalid_tool_call_id"

    play(with_shop(Said(calls=(BUY,)), server=shop(calling=Conduct(delay_s=5))), story)


# --- any conversation -------------------------------------------------------------------------------------

SAID = st.sampled_from(
    ["All right.", LONG, Said(calls=(STOCK,)), Said("One moment.", (STOCK, BUY)), Said(LONG, (BUY,))]
)
SOUNDS = st.lists(st.tuples(st.floats(0.05, 4.0), st.floats(0.2, 1.5)), min_size=1, max_size=3)


def check_calls(messages: Sequence[Message]) -> None:
    """Right behind every call is its result, as chat servers demand it."""
    wanted: list[str] = []
    for message in messages:
        assert bool(wanted) == (message.role == "tool"), messages
        if wanted:
            assert message.tool_call_id == wanted.pop(0)
        wanted += [call.id for call in message.tool_calls]
    assert not wanted


@pytest.mark.no_cover
@settings(max_examples=30)
@given(st.lists(SAID, min_size=1, max_size=4), SOUNDS, st.floats(0.0, 3.0), st.booleans())
def test_whenever_people_speak_no_result_is_lost(
    script: list[str | Said], sounds: list[tuple[float, float]], takes_s: float, needs_approval: bool
) -> None:
    server = shop(calling=Conduct(delay_s=takes_s))

    async def decide(stage: Stage) -> None:
        for count in range(1, 20):
            await stage.wire.until("conversation.item.done", count)
            event = [event for event in stage.wire.events() if event["type"] == ITEM_DONE][count - 1]
            if event["item"]["type"] == "mcp_approval_request":
                approve(stage, event["item"]["id"], count % 2 == 0)

    async def story(stage: Stage) -> None:
        await has_tools(stage, {**MCP, "require_approval": "always" if needs_approval else "never"})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(decide, stage)
            for pause_s, voice_s in sounds:
                await speak(stage, voice_s, 0.7)
                await anyio.sleep(pause_s)
            await anyio.sleep(40)
            tasks.cancel_scope.cancel()

    stage = play(with_shop(*script, server=server), story)
    check_trace(stage.wire.events(), ended=False)
    for request in stage.model.requests:
        check_calls(request.messages)
    results = [item["output"] for item in items(stage, "mcp_call") if item["output"] is not None]
    remembered = [message.content for message in stage.session.messages() if message.role == "tool"]
    assert sorted(results) == sorted(text for text in remembered if not text.startswith(("The call", "[no")))
