"""The conversation: what was said, in order, and of the spoken answers how much was heard.

`generated` and `heard` are both kept; `server.conversation.history` makes of them what the language model is
told. Bounded: beyond the limit the oldest entries go. What clients write has a limit of its own, in characters; what is
said takes its time, and so needs none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from server.conversation.clip_transcription import ClipTranscription
from server.conversation.heard import SpokenPiece, heard_text
from server.domain.errors import ClientError, Fault
from server.domain.ids import Ids
from server.domain.mcp_tools import Detail, McpCall
from server.domain.values import Item, ItemKind, ItemStatus, Part, Role, words_of
from stageflow.context import Message
from stageflow.tools import ToolCall
from stages.ports import Expects

Verdict = Literal["passed", "blocked"]


@dataclass(slots=True)
class OwnCall:
    """A call of one of the server's own tools, which clients are not told of."""

    call: ToolCall
    within: "Entry | None"
    """The message that was being said when it began."""
    said_chars: int
    """How much of that had been generated."""
    asked: "Entry | None"
    """The words of the person's that the answer is to; if they are blocked, nobody is told of the call."""
    result: str | None = None
    """What came of it; None until then, and for ever if the answer was cut off before."""


@dataclass(slots=True)
class Entry:
    """One item as it grows. `heard` is None as long as everything generated counts as heard."""

    id: str
    role: Role
    generated: str = ""
    heard: str | None = None
    spoken: bool = False
    status: ItemStatus = "completed"
    pieces: Sequence[SpokenPiece] = ()
    rate_hz: int = 0
    """Rate that `pieces` count samples at."""
    played_samples: int | None = None
    """How much the client says it has played: the truth, which no estimate overrules."""
    is_told: bool = True
    """Whether the client knows of it; not while it is only prepared."""
    guard: Verdict | None = None
    """What the guard made of these words of the person's. The language model never sees those that were blocked."""
    by_client: bool = False
    """Whether the client has written it, and the session only keeps it."""
    route: str | None = None
    """Where the router led these words of the person's."""
    kind: ItemKind = "message"
    call_id: str = ""
    name: str = ""
    own: OwnCall | None = None
    """Of a call of one of the server's own tools: all of it. Such an entry is never told."""
    parts: tuple[Part, ...] = ()
    """Of a message that is more than one typed text: all of its pieces, as they came. `generated` is their words."""
    clips: tuple[ClipTranscription, ...] = ()
    """The clips among them, on their way to words."""
    expects: Expects | None = None
    """Of an answer: what the agent says that it asks for."""
    detail: Detail | None = None
    """Of what has to do with MCP tools; of a call it changes when the result is there."""
    message: Message | None = field(default=None, compare=False, repr=False)
    """What models were told of it last, where that was a message of its own."""

    @classmethod
    def of(cls, item: Item) -> "Entry":
        """An item that is complete, as an entry."""
        return cls(
            item.id,
            item.role,
            item.text,
            spoken=item.spoken,
            status=item.status,
            kind=item.kind,
            call_id=item.call_id,
            name=item.name,
            by_client=True,
            parts=tuple(replace(part, clip=None) for part in item.parts),
            detail=item.detail,
        )

    @property
    def text(self) -> str:
        """What both sides can rely on: what was heard."""
        return self.generated if self.heard is None else self.heard

    @property
    def chars(self) -> int:
        """Characters of all its texts."""
        parts = sum(len(part.text) + len(part.transcript or "") for part in self.parts)
        return len(self.generated) + parts

    def hear(self, index: int, text: str) -> None:
        """The words of the clip that is part `index` are known."""
        heard = replace(self.parts[index], text=text)
        self.parts = (*self.parts[:index], heard, *self.parts[index + 1 :])
        self.generated = words_of(self.parts)

    def item(self) -> Item:
        """The entry as the client sees it."""
        return Item(
            self.id,
            self.role,
            self.text,
            self.spoken,
            self.status,
            self.kind,
            self.call_id,
            self.name,
            self.parts,
            self.detail,
        )


@dataclass(slots=True)
class Conversation:
    """The entries of a conversation, in order. Not thread-safe; belongs to one session."""

    max_items: int = 1000
    told_from: str | None = field(default=None, init=False)
    """The first entry that models are told of, once not all fit; see `server.conversation.context_window`."""
    max_written_chars: int = 1_000_000
    """Of what the client has written, all together."""
    trusts_client: bool = True
    """Whether what the client writes in others' names (answers, what came of calls) needs no guard."""
    ids: Ids = field(default_factory=Ids, compare=False)
    """Where the ids of what the server says and does come from."""
    _entries: list[Entry] = field(default_factory=list)
    _written: dict[str, int] = field(default_factory=dict)
    """Characters of the client's entries, by their ids, as they were when they came."""

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def told(self) -> Sequence[Entry]:
        """The entries that models are told of: from `told_from` on, or all if that is gone."""
        index = None if self.told_from is None else self._find(self.told_from)
        return self._entries[index or 0 :]

    @property
    def last_id(self) -> str | None:
        """Id of the newest entry."""
        return self._entries[-1].id if self._entries else None

    def add(self, entry: Entry, after: str | None = None, *, param: str = "item.id") -> str | None:
        """Insert behind the entry `after` ("root": at the front; None: at the end) and return the id before
        it, as the client knows the conversation: what is only prepared will be told behind what is there.

        Raises ClientError when `after` does not exist, the id is taken (which the client has said in the field
        `param`), or the client has written too much.
        """
        if self._find(entry.id) is not None:
            raise ClientError(
                Fault.INVALID_VALUE, f"item id {entry.id!r} is already in the conversation", param=param
            )
        index = (
            len(self._entries)
            if after is None
            else 0
            if after == "root"
            else self._index(after, param="after") + 1
        )
        if entry.by_client:
            self._written[entry.id] = self._checked_chars(entry)
        self._entries.insert(index, entry)
        previous = self._told_before(index, prepared=not entry.is_told)
        if len(self._entries) > self.max_items:
            oldest = self._entries.pop(0)
            self._written.pop(oldest.id, None)
            for clip in (
                oldest.clips if oldest is not entry else ()
            ):  # those of `entry` are about to be told of
                clip.give_up()
        return previous

    def previous_id(self, item_id: str) -> str | None:
        """Id of the entry that the client knows before `item_id`, None at the front or when it is gone."""
        index = self._find(item_id)
        return self._told_before(index) if index else None

    def get(
        self, item_id: str, *, code: Fault = Fault.ITEM_TO_RETRIEVE_UNKNOWN, param: str = "item_id"
    ) -> Entry:
        """The entry, or ClientError with `code` for the field `param`."""
        return self._entries[self._index(item_id, code=code, param=param)]

    def find(self, item_id: str) -> Entry | None:
        """The entry, or None."""
        index = self._find(item_id)
        return None if index is None else self._entries[index]

    def delete(self, item_id: str) -> Entry:
        """Take an entry out; ClientError when it is not there."""
        entry = self._entries.pop(self._index(item_id, code=Fault.ITEM_TO_DELETE_UNKNOWN))
        self._written.pop(item_id, None)
        return entry

    def truncate(self, item_id: str, played_ms: int) -> Entry:
        """Cut a spoken answer to what was played; positions beyond its end count as its end.

        Raises ClientError when there is no such item or it is not a spoken answer.
        """
        entry = self.get(item_id, code=Fault.ITEM_TO_TRUNCATE_UNKNOWN)
        if not entry.spoken or entry.role != "assistant":
            raise ClientError(
                Fault.ITEM_NOT_SPOKEN,
                "Only model output audio messages can be truncated",
                param="item_id",
            )
        entry.played_samples = played_ms * entry.rate_hz // 1000
        _cut(entry, entry.played_samples)
        return entry

    def has_call(self, call_id: str) -> bool:
        """Whether one of the client's tools was called by this id."""
        theirs = (
            entry
            for entry in reversed(self._entries)
            if entry.own is None and not isinstance(entry.detail, McpCall)
        )
        return any(entry.kind == "call" and entry.call_id == call_id for entry in theirs)

    def _checked_chars(self, entry: Entry) -> int:
        chars, limit = entry.chars, self.max_written_chars
        total = chars + sum(self._written.values())
        if total > limit:
            raise ClientError(
                Fault.CONVERSATION_TOO_LONG,
                f"item: the client's items would have {total} characters together; the limit is {limit}: delete some",
                param="item",
            )
        return chars

    def _told_before(self, index: int, *, prepared: bool = False) -> str | None:
        """The entry before that the client knows; with `prepared` one that it will know counts too."""
        for before in range(index - 1, -1, -1):
            entry = self._entries[before]
            if entry.is_told or (prepared and not entry.own):
                return entry.id
        return None

    def _find(self, item_id: str) -> int | None:
        # Backwards: what is looked up is nearly always new.
        for index in range(len(self._entries) - 1, -1, -1):
            if self._entries[index].id == item_id:
                return index
        return None

    def _index(self, item_id: str, *, code: Fault = Fault.INVALID_VALUE, param: str = "item_id") -> int:
        index = self._find(item_id)
        if index is None:
            raise ClientError(code, f"Item with item_id {item_id!r} is not in the conversation", param=param)
        return index


def cut(entry: Entry, played_samples: int) -> None:
    """Note that, as far as is known, only the first `played_samples` of a spoken answer were heard."""
    if entry.played_samples is None:
        _cut(entry, played_samples)


def _cut(entry: Entry, played_samples: int) -> None:
    heard = heard_text(entry.pieces, played_samples)
    entry.heard = None if heard == entry.generated.rstrip() else heard
