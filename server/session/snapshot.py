"""What is kept of a session beyond its connection, and beyond its process: what was said, and where it stands.

Small, without audio, and whole: any node can go on with it. A sentence that was being said is said again from the last
word that was heard, which is why its words and their places are in it; what the person was saying is sent again by the
client, from the place in its microphone up to which the words are known.
"""

import json
import logging
from collections.abc import Collection
from dataclasses import dataclass, replace

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from server.conversation.kept_items import KeptItem, entries_of, kept_items
from server.conversation.memory import Conversation, cut
from server.domain.errors import ClientError
from server.output.replay_ring import SentEvents
from server.response.announcements import Announcements
from server.response.holder import OpenAnswer
from server.response.pending import Pending
from server.session.base import SessionBase
from server.session.listening import Listening
from server.turntaking.floor_table import State
from stages.text.whole import whole_values

log = logging.getLogger(__name__)

SCHEMA = 1
"""Of what is written. A field more needs no other number, as long as a server that does not know it may do without."""

READABLE = frozenset({1})
"""Those with which this version can go on. Of any other only what was said is read (`_SAID`)."""

_SAID = ("session_id", "items", "told_from", "owner", "node")
"""What every version writes, and reads."""

MAX_KEPT_ITEMS = 200
MAX_SNAPSHOT_BYTES = 256 << 10
"""Half an hour of talk; of more the oldest items are left out. It is written again and again, which takes the loop
2.5 ms for so many."""

MAX_SENT_CHARS = MAX_SNAPSHOT_BYTES // 4
"""Of the events in one that is too large; the oldest are left out. As JSON within JSON they take more bytes."""

SURE_SILENCE_MS = 500
"""A voice that began so lately may not have been noticed yet."""

_ANSWERING = (State.THINKING, State.HESITATING, State.SPEAKING, State.DUCKED, State.PAUSED)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is kept of a session, as it was at one moment."""

    session_id: str
    items: tuple[KeptItem, ...] = ()
    told_from: str | None = None
    owner: str = ""
    """By whose key it was opened."""
    node: str = ""
    """Which node has it; "" when it is over."""
    ends_at_unix_s: int = 0
    dialect: str = ""
    """What its dialect keeps, of a session whose client can come back."""
    unsettled_ms: int = 0
    """How much of the newest audio holds words of the person's that are not in it."""
    epoch: int = 0
    """How often output was thrown away."""
    told_events: int = 0
    """How many events the client was told."""
    received_events: int = 0
    """How many text frames of the client have arrived."""
    answer: OpenAnswer | None = None
    says: tuple[str, ...] = ()
    """What is to be said behind that."""
    sent: SentEvents | None = None
    """Events that the client was sent and may not have got; None where nobody knows."""
    schema: int = 1
    """Of the version that has written it."""

    def missed(self, last_seq: int) -> tuple[str, ...] | None:
        """The events that a client has not got which has the frames up to that one; None where nobody knows."""
        return None if self.sent is None else self.sent.beyond(last_seq)

    @property
    def is_moving(self) -> bool:
        """Whether the same session goes on, of which its client knows; otherwise another has what was said in it."""
        return bool(self.dialect)


_ADAPTER = TypeAdapter(Snapshot)


def write_snapshot(snapshot: Snapshot) -> bytes:
    """The snapshot as it is kept, in MAX_SNAPSHOT_BYTES at most."""
    snapshot = replace(snapshot, schema=SCHEMA)
    while len(data := _as_json(snapshot)) > MAX_SNAPSHOT_BYTES:
        if snapshot.sent is not None and snapshot.sent != (shorter := snapshot.sent.newest(MAX_SENT_CHARS)):
            snapshot = replace(snapshot, sent=shorter)
        elif snapshot.items:
            snapshot = replace(snapshot, items=snapshot.items[1 + len(snapshot.items) // 4 :])
        else:
            said = Snapshot(snapshot.session_id, owner=snapshot.owner, node=snapshot.node)
            snapshot = replace(said, schema=SCHEMA)
    return data


def _as_json(snapshot: Snapshot) -> bytes:
    try:
        return _ADAPTER.dump_json(snapshot, exclude_defaults=True)
    except ValueError:  # a text of some tool's has half a character, which UTF-8 cannot hold
        values = _ADAPTER.dump_python(snapshot, mode="json", exclude_defaults=True)
        return json.dumps(whole_values(values)).encode()


def read_snapshot(data: bytes) -> Snapshot | None:
    """What was kept, or what was said in it if another version of the server has written it; None where not even that
    can be read."""
    try:
        snapshot = _ADAPTER.validate_json(data)
        if snapshot.schema in READABLE:
            return snapshot
    except ValidationError:
        pass  # more than the number says has changed
    try:
        read = from_json(data)
        return _ADAPTER.validate_python({name: read[name] for name in _SAID if name in read})
    except (ValueError, TypeError):  # a ValidationError is a ValueError
        return None


def snapshot_of(
    base: SessionBase,
    listening: Listening,
    pending: Pending,
    announcements: Announcements,
    *,
    obeyed_events: int,
    ends_at_unix_s: int,
    sent: SentEvents | None,
) -> Snapshot:
    """The session now, but for what those know who keep it. `obeyed_events` is how many text frames of the client have
    been dealt with; of `sent` see `Snapshot`."""
    unsettled = _unsettled(listening)
    answer = base.holder.owed or _open_answer(base, listening, pending, unsettled)
    unsaid = {
        entry.id
        for entry in base.conversation
        if entry.role == "assistant" and not entry.is_told and entry.own is None
    }
    return Snapshot(
        base.session_id,
        kept_items(
            list(base.conversation)[-MAX_KEPT_ITEMS:],
            unsettled | unsaid,
            answer.item_id if answer is not None else "",
        ),
        base.conversation.told_from,
        unsettled_ms=_unsettled_ms(listening),
        epoch=base.outbound.epoch,
        told_events=base.ids.told,
        received_events=obeyed_events,
        ends_at_unix_s=ends_at_unix_s,
        answer=answer,
        says=announcements.waiting,
        sent=sent,
    )


def take_in(snapshot: Snapshot, conversation: Conversation) -> None:
    """Have the conversation begin with what was kept, as far as it fits; what was being said is cut where it was
    heard."""
    answer = snapshot.answer or OpenAnswer()
    for entry in entries_of(snapshot.items):
        if entry.id == answer.item_id:
            cut(entry, answer.played_samples)
        if entry.status == "in_progress":
            entry.status = "incomplete"
        try:
            conversation.add(entry)
        except ClientError as error:
            log.warning("an item of the earlier session is left out: %s", error.message)
    conversation.told_from = snapshot.told_from


def is_at_rest(base: SessionBase, listening: Listening) -> bool:
    """Whether nobody speaks, and nothing waits to be said or to be understood."""
    is_free = listening.floor.state is State.LISTENING and not listening.inbox.is_waiting
    return is_free and not _unsettled(listening) and base.outbound.next_due(base.now()) is None


def _unsettled_ms(listening: Listening) -> int:
    hearing = listening.hearing
    current_ms = 0 if hearing.current is None else hearing.current.duration_ms
    waiting_ms = sum(utterance.duration_ms + SURE_SILENCE_MS for utterance in listening.utterances.earlier())
    if current_ms or waiting_ms:
        return current_ms + waiting_ms
    return min(SURE_SILENCE_MS, hearing.silence_ms)


def _unsettled(listening: Listening) -> set[str]:
    """Items of the person's whose words are not known yet."""
    spoken = listening.utterances.earlier()
    current = listening.hearing.current
    return {utterance.item_id for utterance in (spoken if current is None else (*spoken, current))}


def _waiting(pending: Pending) -> str | None:
    if not pending:
        return None
    request = pending.request
    return request.response.id if request is not None and request.response is not None else ""


def _open_answer(
    base: SessionBase, listening: Listening, pending: Pending, unsettled: Collection[str]
) -> OpenAnswer | None:
    response = base.holder.response
    if response is None or listening.floor.state not in _ANSWERING:
        return None
    asked = response.question.utterance
    if asked is not None and asked.item_id in unsettled and not response.is_announced:
        return None  # it will be heard once more
    entry = response.said
    return OpenAnswer(
        response.response_id if response.is_announced else "",
        entry.id if entry is not None and entry.is_told else "",
        response.heard_ms * response.output.rate_hz // 1000,
        response.question.answers_turns,
        response.question.say,
        _waiting(pending),
    )
