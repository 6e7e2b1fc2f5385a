"""Calls of the server's own tools as the conversation keeps them: told to models from their begin, never to clients.

What was done is done, whatever becomes of the answer around it: so a call is an entry of its own, behind the words
that were said before it, and outlives their being taken back.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from server.conversation.memory import Conversation, Entry, OwnCall
from server.domain.errors import ClientError
from stageflow.tools import ToolCall


class Says(Protocol):
    """Says an answer, and knows the entry that it is saying."""

    entry: Entry | None
    """What it is saying, if anything yet."""


@dataclass(slots=True)
class OwnCalls:
    """The calls that one answer makes."""

    conversation: Conversation
    answer: Says
    asked: Entry | None = None
    """The words that it answers."""
    _made: list[Entry] = field(default_factory=list)

    def begin(self, name: str, arguments: Mapping[str, object]) -> OwnCall:
        """A call runs from now on; what comes of it is set as `result`."""
        said = self.answer.entry
        # Ids that a model gives are its own for one request, not for a conversation.
        call = ToolCall(self.conversation.ids.new("call"), name, as_text(arguments))
        own = OwnCall(call, said, 0 if said is None else len(said.generated), self.asked)
        entry = Entry(
            self.conversation.ids.new("item"), "assistant", kind="call", name=name, is_told=False, own=own
        )
        try:
            self.conversation.add(entry, self._place(own))
        except ClientError:  # what it said is gone
            self.conversation.add(entry)
        self._made.append(entry)
        return own

    def forget(self) -> None:
        """The answer was only prepared, and the person has gone on: nothing was asked yet, and nothing changed."""
        for entry in self._made:
            if self.conversation.find(entry.id) is not None:
                self.conversation.delete(entry.id)
        self._made.clear()

    def _place(self, own: OwnCall) -> str | None:
        """Behind the words before it, and the calls that stand there already."""
        if own.within is None:
            return None
        with_it = (entry for entry in reversed(self._made) if entry.own and entry.own.within is own.within)
        return next(with_it, own.within).id


def as_text(value: object) -> str:
    """What a tool is given, or gives, as the model reads it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
