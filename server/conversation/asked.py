"""What a conversation asks next: what nobody has answered or judged, where it was led, and what the agent waits for."""

from server.conversation.expectation import expected_answer
from server.conversation.heard import heard_text
from server.conversation.memory import Conversation, Entry
from stages.ports import Expects


def unanswered(conversation: Conversation, upto: str | None = None) -> tuple[Entry, ...]:
    """What the person has said since the last answer, up to and with the entry `upto`; oldest first."""
    found: list[Entry] = []
    for entry in conversation:
        if entry.role == "assistant" and entry.own is None:
            found.clear()
        elif entry.role == "user":
            found.append(entry)
        if entry.id == upto:
            break
    return tuple(found)


def unguarded(conversation: Conversation, upto: str | None = None) -> tuple[Entry, ...]:
    """What the person has said and no guard has judged, up to and with the entry `upto`; oldest first.

    Not what the client has written together with an answer to it: there it tells of another conversation. What
    was heard here, live or in a clip, does not become history by that. Of a client that is not trusted everything
    that it has written, whoever is to have said it.
    """
    found: list[Entry] = []
    for entry in conversation:
        if entry.by_client and not conversation.trusts_client:
            found += [entry] if entry.guard is None else []
        elif entry.role == "user" and entry.guard is None:
            found.append(entry)
        elif entry.role == "assistant" and entry.kind == "message" and entry.by_client:
            found = [entry for entry in found if entry.clips or not entry.by_client]
        if entry.id == upto:
            break
    return tuple(found)


def last_route(conversation: Conversation) -> str | None:
    """The route that the person's words took last; blocked words took none."""
    routes = (entry.route for entry in reversed(tuple(conversation)) if entry.guard != "blocked")
    return next((route for route in routes if route is not None), None)


def expected(conversation: Conversation) -> Expects:
    """What the newest answer that is over asks for: as the agent says, if all of it was heard, or by its words."""
    for entry in reversed(tuple(conversation)):
        is_over = entry.by_client or entry.status != "in_progress"
        if entry.role == "assistant" and entry.kind == "message" and is_over:
            if entry.heard is not None:
                return expected_answer(_whole_sentences(entry.heard))
            return entry.expects or expected_answer(entry.text)
    return Expects.FREE


def asked_so_far(said: Entry | None, heard_ms: int) -> Expects | None:
    """What the answer that is being said asks for, if the newest sentence of it that was heard to its end is a
    question; None if it is none, or if the answer is over."""
    if said is None or said.status != "in_progress":
        return None
    heard = heard_text(said.pieces, heard_ms * said.rate_hz // 1000)
    if said.expects is not None and heard == said.generated.rstrip():
        return said.expects
    sentences = _whole_sentences(heard)
    return expected_answer(sentences) if sentences.endswith("?") else None


def _whole_sentences(heard: str) -> str:
    """Without the one in which it was cut off: who talks over the words behind a question answers it."""
    return heard[: max(map(heard.rfind, ".!?")) + 1]
