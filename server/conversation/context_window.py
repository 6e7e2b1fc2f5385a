"""How much of the conversation models are told: what fits into a budget of tokens; whole turns go first, the oldest.

Tokens are estimated, one for four bytes of UTF-8: near enough for a budget, and the same for every model. Where the
window begins is kept by the conversation, so that with a retention ratio it stays where it is for many turns, and what
a server has cached of the beginning stays of use. Nothing is deleted: clients still see all items.
"""

from collections.abc import Sequence

from server.conversation.memory import Conversation, Entry
from server.domain.errors import ClientError, Fault
from server.domain.values import Truncation

TOKEN_BYTES = 4
MESSAGE_TOKENS = 4
"""What a message takes beside its text."""


def tokens_of(text: str) -> int:
    """About how many tokens a text takes."""
    size_bytes = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return -(-size_bytes // TOKEN_BYTES)


def fit(
    conversation: Conversation, truncation: Truncation, max_tokens: int, instructions_tokens: int
) -> None:
    """Move the beginning of what models are told until it fits into `max_tokens` together with the instructions.

    The newest entry is always told. Raises ClientError when it does not fit and truncation is off.
    """
    limit = max(0, max_tokens - instructions_tokens)
    if truncation.post_instructions_tokens is not None:
        limit = min(limit, truncation.post_instructions_tokens)
    entries = conversation.told()
    total = sum(map(_tokens, entries))
    if total <= limit:
        return
    if truncation.is_off:
        raise ClientError(
            Fault.CONTEXT_TOO_LONG,
            f"The conversation takes about {total} tokens beside its instructions, and {limit} are allowed: "
            "delete items, or let the oldest be left out.",
            param="config.truncation",
        )
    target = int(limit * truncation.retention_ratio)
    *earlier, newest = _turns(entries)
    for part in (*earlier, *([entry] for entry in newest)):
        if total <= target or part[-1] is entries[-1]:
            conversation.told_from = part[0].id
            return
        total -= sum(map(_tokens, part))


def _tokens(entry: Entry) -> int:
    if entry.own is None:
        result = getattr(entry.detail, "result", None)
        return MESSAGE_TOKENS + tokens_of(entry.text) + (tokens_of(result) if result else 0)
    return 2 * MESSAGE_TOKENS + tokens_of(str(entry.own.call.arguments)) + tokens_of(entry.own.result or "")


def _turns(entries: Sequence[Entry]) -> list[list[Entry]]:
    """What the person says at a stretch begins one; what was done for it is part of it."""
    turns: list[list[Entry]] = []
    for entry in entries:
        if not turns or (entry.role == "user" and turns[-1][-1].role != "user"):
            turns.append([])
        turns[-1].append(entry)
    return turns
