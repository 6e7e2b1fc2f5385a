"""The items of a conversation as they are kept beyond the session that they were said in. Pure.

What is kept is what models and clients are told of: no audio, and of spoken words only where they lie. An item refers
to another by its id.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from server.conversation.heard import SpokenPiece
from server.conversation.memory import Entry, OwnCall, Verdict
from server.domain.mcp_tools import Approval, ApprovalRequest, Detail, McpCall, ToolListing
from server.domain.values import ItemKind, ItemStatus, Part, Role
from stageflow.tools import ToolCall
from stages.ports import Expects


@dataclass(frozen=True, slots=True)
class KeptCall:
    """A call of one of the server's own tools."""

    id: str
    name: str
    arguments: str | dict[str, object]
    said_chars: int
    within: str | None = None
    asked: str | None = None
    result: str | None = None


@dataclass(frozen=True, slots=True)
class KeptItem:
    """One entry; see `server.conversation.memory.Entry`."""

    id: str
    role: Role
    generated: str = ""
    heard: str | None = None
    spoken: bool = False
    status: ItemStatus = "completed"
    rate_hz: int = 0
    played_samples: int | None = None
    is_told: bool = True
    guard: Verdict | None = None
    by_client: bool = False
    route: str | None = None
    kind: ItemKind = "message"
    call_id: str = ""
    name: str = ""
    parts: tuple[Part, ...] = ()
    expects: Expects | None = None
    mcp_call: McpCall | None = None
    listing: ToolListing | None = None
    request: ApprovalRequest | None = None
    approval: Approval | None = None
    own: KeptCall | None = None
    pieces: tuple[SpokenPiece, ...] = ()
    """Of an answer that is being spoken, with the times of its words."""
    sounds: tuple[tuple[int, int], ...] = ()
    """Of one that was: characters and samples of each piece."""


def kept_items(
    entries: Iterable[Entry], without: Collection[str] = (), playing: str = ""
) -> tuple[KeptItem, ...]:
    """Entries of a conversation, but for those with the ids `without`; `playing` is the id of what is being heard."""
    return tuple(_kept(entry, entry.id == playing) for entry in entries if entry.id not in without)


def entries_of(items: Iterable[KeptItem]) -> list[Entry]:
    """The same as entries. What refers to an item that is not among them refers to nothing."""
    entries = {item.id: _entry(item) for item in items}
    for item in items:
        if item.own is not None:
            own = item.own
            entries[item.id].own = OwnCall(
                ToolCall(own.id, own.name, own.arguments),
                entries.get(own.within or ""),
                own.said_chars,
                entries.get(own.asked or ""),
                own.result,
            )
    return list(entries.values())


def _kept(entry: Entry, is_playing: bool) -> KeptItem:
    is_open, detail = is_playing or entry.status == "in_progress", entry.detail
    return KeptItem(
        entry.id,
        entry.role,
        entry.generated,
        entry.heard,
        entry.spoken,
        entry.status,
        entry.rate_hz,
        entry.played_samples,
        entry.is_told,
        entry.guard,
        entry.by_client,
        entry.route,
        entry.kind,
        entry.call_id,
        entry.name,
        tuple(replace(part, clip=None) for part in entry.parts),
        entry.expects,
        detail if isinstance(detail, McpCall) else None,
        detail if isinstance(detail, ToolListing) else None,
        detail if isinstance(detail, ApprovalRequest) else None,
        detail if isinstance(detail, Approval) else None,
        None if entry.own is None else _kept_call(entry.own),
        tuple(entry.pieces) if is_open else (),
        () if is_open else _sounds(entry),
    )


def _kept_call(own: OwnCall) -> KeptCall:
    arguments = own.call.arguments
    return KeptCall(
        own.call.id,
        own.call.name,
        arguments if isinstance(arguments, str) else dict(arguments),
        own.said_chars,
        None if own.within is None else own.within.id,
        None if own.asked is None else own.asked.id,
        own.result,
    )


def _sounds(entry: Entry) -> tuple[tuple[int, int], ...]:
    """Where the words lie, in a few bytes; nothing where they are not the text of the entry."""
    if not entry.generated.startswith("".join(piece.text for piece in entry.pieces).rstrip()):
        return ()
    return tuple((len(piece.text), piece.samples) for piece in entry.pieces)


def _entry(item: KeptItem) -> Entry:
    return Entry(
        item.id,
        item.role,
        item.generated,
        item.heard,
        item.spoken,
        item.status,
        item.pieces or tuple(_pieces(item.generated, item.sounds)),
        item.rate_hz,
        item.played_samples,
        item.is_told,
        item.guard,
        item.by_client,
        item.route,
        item.kind,
        item.call_id,
        item.name,
        parts=item.parts,
        expects=item.expects,
        detail=_detail(item),
    )


def _detail(item: KeptItem) -> Detail | None:
    return item.mcp_call or item.listing or item.request or item.approval


def _pieces(text: str, sounds: Sequence[tuple[int, int]]) -> Iterator[SpokenPiece]:
    at, sample = 0, 0
    for chars, samples in sounds:
        yield SpokenPiece(text[at : at + chars], sample, samples)
        at, sample = at + chars, sample + samples
