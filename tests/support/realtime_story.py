"""A conversation in the session's own vocabulary, to be told through the Realtime dialect.

The person speaks, is answered, talks over the answer, and types; the client runs tools, and asks for an answer
beside the conversation. Enough to have every event at least once.
"""

from dataclasses import replace

from server.errors import ClientError
from server.events import (
    AudioCleared,
    AudioCommitted,
    Event,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemRetrieved,
    ItemTruncated,
    OutputCleared,
    Problem,
    ReplyAudio,
    ReplyCall,
    ReplyEnded,
    ReplyItemEnded,
    ReplyItemStarted,
    ReplyStarted,
    ReplyText,
    SessionConfigured,
    SessionStarted,
    SilenceNoticed,
    SpeechStarted,
    SpeechStopped,
    TranscriptFailed,
    TranscriptFinal,
    TranscriptPartial,
)
from server.values import Item, Part, Reply, SessionConfig
from stages.ports import Usage

CONFIG = SessionConfig(instructions="Be brief.", transcription=True)
OPENING: tuple[Event, ...] = (SessionStarted("sess_1", CONFIG, 1_790_000_000), SessionConfigured(CONFIG))


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


def begun_reply(reply: Reply, item_id: str, previous: str | None) -> list[Event]:
    """An answer of two pieces, without its end."""
    item = Item(item_id, "assistant", spoken=reply.modality == "audio", status="in_progress")
    events: list[Event] = [ReplyStarted(reply), ReplyItemStarted(reply, item, previous)]
    for piece in ("It is ", "noon."):
        events.append(ReplyText(reply, item_id, piece))
        if reply.modality == "audio":
            events.append(ReplyAudio(reply, item_id, b"\x01\x02" * 480))
    return events


def whole_reply(reply: Reply, item_id: str, previous: str | None) -> list[Event]:
    """An answer of two pieces to its end."""
    item = Item(item_id, "assistant", "It is noon.", spoken=reply.modality == "audio")
    return [
        *begun_reply(reply, item_id, previous),
        ReplyItemEnded(reply, item, previous),
        ReplyEnded(reply, "completed", items=(item,), usage=Usage(12, 5)),
    ]


def calling_reply(reply: Reply, item_id: str, previous: str | None) -> list[Event]:
    """An answer that says something and calls two of the client's tools."""
    item = Item(item_id, "assistant", "It is noon.", spoken=reply.modality == "audio")
    calls = [
        Item(
            f"{item_id}_{n}", "assistant", f'{{"city":{n}}}', kind="call", call_id=f"call_{n}", name="weather"
        )
        for n in (1, 2)
    ]
    return [
        *begun_reply(reply, item_id, previous),
        ReplyItemEnded(reply, item, previous),
        ReplyCall(reply, calls[0], item_id, 1),
        ReplyCall(reply, calls[1], calls[0].id, 2),
        ReplyEnded(reply, "completed", items=(item, *calls), usage=Usage(12, 5)),
    ]


def cut_reply(reply: Reply, item_id: str) -> list[Event]:
    """The end of an answer that was talked over, after its truncation is known."""
    item = Item(item_id, "assistant", "It is noon.", spoken=True, status="incomplete")
    return [
        ReplyItemEnded(reply, item, "item_u2"),
        ReplyEnded(reply, "cancelled", "turn_detected", items=(item,), usage=Usage(20, 4)),
        ItemTruncated(item_id, 310),
        ItemRetrieved(replace(item, text="It is")),
    ]


def story() -> list[Event]:
    """The whole conversation: keeps every rule of `trace_checker`."""
    first = Reply("resp_1", metadata={"client_event_id": "c1"}, config=CONFIG)
    second = Reply("resp_2", config=CONFIG)
    third = Reply("resp_3", "text", config=replace(CONFIG, modality="text"))
    aside = replace(third, id="resp_aside", in_conversation=False)
    fourth = Reply("resp_4", config=CONFIG)
    output = Item("item_o1", "tool", "sunny", kind="output", call_id="call_1")
    typed = Item("item_u4", "user", "And now?")
    third_turn = spoken_turn("item_u3", "item_a2", 5_000)
    silence = Item("item_u5", "user", spoken=True)
    return [
        *OPENING,
        *spoken_turn("item_u1", None, 120),
        TranscriptFinal("item_u1", "What time is it?", 0.9),
        *whole_reply(first, "item_a1", "item_u1"),
        *spoken_turn("item_u2", "item_a1", 3_000),
        *begun_reply(second, "item_a2", "item_u2"),
        TranscriptFinal("item_u2", "What time is it?", 0.9),
        third_turn[0],
        *cut_reply(second, "item_a2"),
        *third_turn[1:],
        TranscriptFailed("item_u3", "transcription_failed", "the recogniser failed"),
        Problem(ClientError("invalid_value", "speed: must be less", param="speed", ref="c2")),
        AudioCleared(),
        ItemAdded(typed, "item_u3"),
        ItemDone(typed, "item_u3"),
        *whole_reply(third, "item_a4", "item_u4"),
        SilenceNoticed("item_u5", 7_000, 12_000),
        AudioCommitted("item_u5", "item_a4"),
        ItemAdded(silence, "item_a4"),
        ItemDone(silence, "item_a4"),
        TranscriptFinal("item_u5", "", 5.0),
        *message_with_clips("item_u6", "item_u5"),
        ItemDeleted("item_u1"),
        *whole_reply(aside, "item_a5", None),
        *calling_reply(fourth, "item_a6", "item_u6"),
        ItemAdded(output, "item_a6_2"),
        ItemDone(output, "item_a6_2"),
        OutputCleared("resp_4"),
    ]
