"""A conversation in the session's own vocabulary, to be told through the Realtime dialect.

The person speaks, is answered, talks over the answer, and types; the client runs tools, and asks for an answer
beside the conversation; the server runs tools for it. Enough to have every event at least once.
"""

from dataclasses import replace

from server.domain.errors import ClientError
from server.domain.events import (
    AudioCleared,
    AudioCommitted,
    Event,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemRetrieved,
    ItemTruncated,
    ListingEnded,
    ListingStarted,
    McpCallEnded,
    McpCallStarted,
    OutputCleared,
    Problem,
    ResponseAudio,
    ResponseCall,
    ResponseEnded,
    ResponseItemEnded,
    ResponseItemStarted,
    ResponseStarted,
    ResponseText,
    SessionConfigured,
    SessionStarted,
    SilenceNoticed,
    SpeechStarted,
    SpeechStopped,
    TranscriptFailed,
    TranscriptFinal,
    TranscriptPartial,
)
from server.domain.mcp_tools import Approval, ApprovalRequest, CallError, Detail, McpCall, ToolListing
from server.domain.values import Item, ItemKind, Part, Response, SessionConfig
from stages.ports import ServerTool, Usage

CONFIG = SessionConfig(instructions="Be brief.", transcription=True)
OPENING: tuple[Event, ...] = (
    SessionStarted("sess_1", "conv_1", CONFIG, 1_790_000_000),
    SessionConfigured(CONFIG),
)


def spoken_turn(user_id: str, previous: str | None, start_ms: int) -> list[Event]:
    """What the person said, from its first sound to its place in the conversation."""
    item = Item(user_id, "user", spoken=True)
    return [
        SpeechStarted(user_id, start_ms),
        TranscriptPartial(user_id, "What time"),
        SpeechStopped(user_id, start_ms + 900),
        AudioCommitted(user_id, previous),
        ItemAdded(item, previous),
        ItemDone(item, previous),
    ]


def message_with_clips(item_id: str, previous: str | None) -> list[Event]:
    """What the client has written and recorded, and what was heard in it."""
    item = Item(item_id, "user", "Listen.", parts=(Part("Listen."), *[Part(spoken=True)] * 2))
    return [
        ItemAdded(item, previous),
        ItemDone(item, previous),
        TranscriptPartial(item_id, "A bird.", 1),
        TranscriptFinal(item_id, "A bird.", 1.5, 1),
        TranscriptFailed(item_id, "transcription_failed", "the recogniser failed", 2),
    ]


def begun_response(response: Response, item_id: str, previous: str | None) -> list[Event]:
    """An answer of two pieces, without its end."""
    item = Item(item_id, "assistant", spoken=response.modality == "audio", status="in_progress")
    events: list[Event] = [ResponseStarted(response), ResponseItemStarted(response, item, previous)]
    for piece in ("It is ", "noon."):
        events.append(ResponseText(response, item_id, piece))
        if response.modality == "audio":
            events.append(ResponseAudio(response, item_id, b"\x01\x02" * 480))
    return events


def whole_response(response: Response, item_id: str, previous: str | None) -> list[Event]:
    """An answer of two pieces to its end."""
    item = Item(item_id, "assistant", "It is noon.", spoken=response.modality == "audio")
    return [
        *begun_response(response, item_id, previous),
        ResponseItemEnded(response, item, previous),
        ResponseEnded(response, "completed", items=(item,), usage=Usage(12, 5)),
    ]


def calling_response(response: Response, item_id: str, previous: str | None) -> list[Event]:
    """An answer that says something and calls two of the client's tools."""
    item = Item(item_id, "assistant", "It is noon.", spoken=response.modality == "audio")
    calls = [
        Item(
            f"{item_id}_{n}", "assistant", f'{{"city":{n}}}', kind="call", call_id=f"call_{n}", name="weather"
        )
        for n in (1, 2)
    ]
    return [
        *begun_response(response, item_id, previous),
        ResponseItemEnded(response, item, previous),
        ResponseCall(response, calls[0], item_id, 1),
        ResponseCall(response, calls[1], calls[0].id, 2),
        ResponseEnded(response, "completed", items=(item, *calls), usage=Usage(12, 5)),
    ]


def mcp(item_id: str, kind: ItemKind, detail: Detail, text: str = "") -> Item:
    """An item that has to do with MCP tools."""
    return Item(item_id, "assistant", text, kind=kind, name="stock" if text else "", detail=detail)


def listing(item_id: str, previous: str, ended: ToolListing) -> list[Event]:
    """A server is asked for its tools."""
    return [
        ItemAdded(mcp(item_id, "listing", ToolListing(ended.server)), previous),
        ListingStarted(item_id),
        ListingEnded(item_id, ok=ended.error is None),
        ItemDone(mcp(item_id, "listing", ended), previous),
    ]


def hosted_response(response: Response, previous: str) -> list[Event]:
    """An answer that calls three MCP tools, two of which wait for approval, and what comes of them."""
    text, call, question = '{"what":"hats"}', McpCall("shop"), ApprovalRequest("shop")
    ids = ("item_h1", "item_h2", "item_h3", "item_h4", "item_h5")
    kinds: tuple[ItemKind, ...] = ("call", "call", "approval_request", "call", "approval_request")
    items = [
        mcp(id, kind, call if kind == "call" else question, text) for id, kind in zip(ids, kinds, strict=True)
    ]
    before = (previous, *ids)
    made = replace(items[0], detail=replace(call, output="7 hats"))
    approved = replace(
        items[1], detail=replace(call, request_id=ids[2], error=CallError("http", "gone", 502))
    )
    refused = replace(items[3], detail=replace(call, request_id=ids[4], error=CallError("tool", "declined")))
    yes = mcp("item_h6", "approval", Approval(ids[2], True))
    no = mcp("item_h7", "approval", Approval(ids[4], False, "too dear"))
    return [
        ResponseStarted(response),
        *[ResponseCall(response, item, before[n], n) for n, item in enumerate(items)],
        ResponseEnded(response, "completed", items=tuple(items), usage=Usage(12, 5)),
        McpCallStarted(ids[0], 0),
        ItemAdded(yes, ids[4]),
        ItemDone(yes, ids[4]),
        McpCallStarted(ids[1], 1),
        McpCallEnded(ids[1], 1, ok=False),
        ItemDone(approved, ids[0]),
        McpCallEnded(ids[0], 0, ok=True),
        ItemDone(made, previous),
        ItemAdded(no, yes.id),
        ItemDone(no, yes.id),
        McpCallEnded(ids[3], 3, ok=False),
        ItemDone(refused, ids[2]),
    ]


def cut_response(response: Response, item_id: str) -> list[Event]:
    """The end of an answer that was talked over, after its truncation is known."""
    item = Item(item_id, "assistant", "It is noon.", spoken=True, status="incomplete")
    return [
        ResponseItemEnded(response, item, "item_u2"),
        ResponseEnded(response, "cancelled", "speech", items=(item,), usage=Usage(20, 4)),
        ItemTruncated(item_id, 310),
        ItemRetrieved(replace(item, text="It is")),
    ]


def story() -> list[Event]:
    """The whole conversation: keeps every rule of `trace_checker`."""
    first = Response("resp_1", metadata={"client_event_id": "c1"}, config=CONFIG)
    second = Response("resp_2", config=CONFIG)
    third = Response("resp_3", "text", config=replace(CONFIG, modality="text"))
    out_of_band = replace(third, id="resp_aside", in_conversation=False)
    fourth = Response("resp_4", config=CONFIG)
    output = Item("item_o1", "tool", "sunny", kind="output", call_id="call_1")
    typed = Item("item_u4", "user", "And now?")
    third_turn = spoken_turn("item_u3", "item_a2", 5_000)
    silence = Item("item_u5", "user", spoken=True)
    return [
        *OPENING,
        *spoken_turn("item_u1", None, 120),
        TranscriptFinal("item_u1", "What time is it?", 0.9),
        *whole_response(first, "item_a1", "item_u1"),
        *spoken_turn("item_u2", "item_a1", 3_000),
        *begun_response(second, "item_a2", "item_u2"),
        TranscriptFinal("item_u2", "What time is it?", 0.9),
        third_turn[0],
        *cut_response(second, "item_a2"),
        *third_turn[1:],
        TranscriptFailed("item_u3", "transcription_failed", "the recogniser failed"),
        Problem(ClientError("invalid_value", "speed: must be less", param="speed", ref="c2")),
        AudioCleared(),
        ItemAdded(typed, "item_u3"),
        ItemDone(typed, "item_u3"),
        *whole_response(third, "item_a4", "item_u4"),
        SilenceNoticed("item_u5", 7_000, 12_000),
        AudioCommitted("item_u5", "item_a4"),
        ItemAdded(silence, "item_a4"),
        ItemDone(silence, "item_a4"),
        TranscriptFinal("item_u5", "", 5.0),
        *message_with_clips("item_u6", "item_u5"),
        ItemDeleted("item_u1"),
        *whole_response(out_of_band, "item_a5", None),
        *calling_response(fourth, "item_a6", "item_u6"),
        ItemAdded(output, "item_a6_2"),
        ItemDone(output, "item_a6_2"),
        OutputCleared("resp_4"),
        *listing(
            "item_l1",
            "item_o1",
            ToolListing("shop", (ServerTool("stock", annotations={"readOnlyHint": True}),)),
        ),
        *listing("item_l2", "item_l1", ToolListing("bank", error="the server cannot be reached")),
        *hosted_response(Response("resp_5", config=CONFIG), "item_l2"),
    ]
