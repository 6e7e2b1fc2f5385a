"""How a session goes on that another node has begun: the client learns what became of the answer, and hears its rest.

The client has the answer's sound in its buffer, and says how much of it was heard as soon as it is back. Then what was
not heard is said by a new voice, from the next word on; of what nobody has heard anything, the question is asked anew.
"""

from collections.abc import Sequence
from dataclasses import replace

import anyio

from server.conversation.memory import Entry
from server.domain import events as ev
from server.domain.ids import Ids
from server.domain.values import Response, ResumeOffer
from server.domain.wire import ResumableDialect
from server.output.link import Link
from server.response.holder import OpenAnswer
from server.session.answering import Answering
from server.session.base import SessionBase
from server.session.listening import Listening
from server.session.snapshot import Snapshot
from server.turntaking.floor_table import FloorEvent, State
from server.turntaking.happened import Happened
from server.turntaking.question import Question

HEARD_WITHIN_S = 0.5
"""How long the client has to say how much of the answer was heard."""

EPOCHS_APART = 16
"""The node before may have thrown output away since it was last heard of, and not as often."""


def restore(dialect: ResumableDialect, snapshot: Snapshot, last_seq: int, ids: Ids) -> None:
    """Have the dialect go on where that of the session has ended, whose client has the frames up to `last_seq`. Raises
    ValueError, KeyError or TypeError for what it cannot read."""
    dialect.restore(snapshot.dialect)
    ids.told = snapshot.told_events
    if snapshot.missed(last_seq) is None:
        ids.told = max(ids.told, last_seq)  # it may have been told more than was written down


def greet_back(
    link: Link, dialect: ResumableDialect, snapshot: Snapshot, last_seq: int, offer: ResumeOffer
) -> None:
    """Greet the client of a session that another node has begun; see `greet`."""
    received = snapshot.received_events
    missed = snapshot.missed(last_seq) or ()
    greet(link, last_seq, received, dialect.resumed(offer, received), missed)


def greet(link: Link, last_seq: int, received_events: int, greeting: str, missed: Sequence[str]) -> None:
    """Begin where another node has ended: so many frames were sent before, and so many events received. First comes
    the `greeting`, which is not numbered, and then the events that the client has `missed`."""
    link.ring.last_seq, link.received_events = last_seq, received_events
    for frame in missed:
        link.ring.append(frame, anyio.current_time())
    link.unsent.extend((greeting, *missed))


def begin_owing(snapshot: Snapshot, base: SessionBase) -> None:
    """Have the session, which has not begun, know what the other node was about: it may move again before it does."""
    base.outbound.epoch = snapshot.epoch + EPOCHS_APART
    base.holder.owed = snapshot.answer


def go_on(snapshot: Snapshot, base: SessionBase, listening: Listening, answering: Answering) -> None:
    """Take up what the other node was about. The session has begun, and its client is there."""
    owed = base.holder.owed
    if owed is not None:
        base.outbound.flush()
        if owed.response_id:
            _end_response(owed.response_id, base.conversation.find(owed.item_id), base)
        if owed.waits:
            _end_response(owed.waits, None, base)
        base.holder.owed = replace(owed, response_id="", waits=owed.waits and "")
        answering.playback.flushed(owed.item_id)
    base.tasks.start(_answer_on, snapshot.says, base, listening, answering)


def _end_response(response_id: str, entry: Entry | None, base: SessionBase) -> None:
    config, items = base.config.current, []
    response = Response(response_id, config.modality, config=config)
    if entry is not None:
        items.append(replace(entry.item(), text=entry.generated))
        base.outbound.put(
            ev.ResponseItemEnded(response, items[0], base.conversation.previous_id(items[0].id))
        )
    base.outbound.put(ev.ResponseEnded(response, "cancelled", items=tuple(items)))


async def _answer_on(
    says: tuple[str, ...], base: SessionBase, listening: Listening, answering: Answering
) -> None:
    if base.holder.owed is not None:
        await anyio.sleep(HEARD_WITHIN_S)
    owed, base.holder.owed = base.holder.owed or OpenAnswer(), None
    is_free = listening.floor.state is State.LISTENING  # or the person was faster, and has interrupted it
    rest = _rest(owed, base) if is_free else None
    for text in (rest, *says):
        if text:
            answering.announcements.add(text)
    if is_free and (owed.waits is not None or (rest is None and owed.asks)):
        question = Question(ended_by="server", requested=True)
        listening.inbox.feed(Happened(FloorEvent.RESPONSE_REQUESTED, question=question))


def _rest(owed: OpenAnswer, base: SessionBase) -> str | None:
    """What of the answer is still to be said; None where nothing of it was heard, and it is to be made anew."""
    entry = base.conversation.find(owed.item_id)
    if entry is not None and entry.text.strip():
        rest = entry.generated[len(entry.text) :].strip()
        entry.generated, entry.heard = entry.text, None  # nobody has interrupted it
        return rest
    if entry is not None:
        base.conversation.delete(entry.id)
        base.outbound.put(ev.ItemDeleted(entry.id))
    return owed.say
