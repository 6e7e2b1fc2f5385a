"""One answer of a chat model, put together from whatever chunks its server sends. Pure.

The interface is spoken by many servers, each a little differently, so everything in a chunk is taken to be
optional: no choices, null content, thoughts in the text or beside it, calls of tools in pieces or in one, without
index or id, in the old field, or as text.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Literal, TypeAlias

from stages.errors import ProviderError
from stages.ports import Finished, ModelEvent, TextDelta, Thought, Usage
from stages.providers.openai.called import Calls
from stages.providers.openai.words import Letters, mended, text_of, thought_of
from stages.text.answer_text import AnswerText, Channel, Piece
from stages.text.called_text import calls_in

Reason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]

_REASONS: Mapping[str, Reason] = {
    **dict.fromkeys(("length", "max_tokens", "model_length"), "length"),
    **dict.fromkeys(("content_filter", "safety", "recitation", "prohibited_content"), "content_filter"),
    **dict.fromkeys(("tool_calls", "tool_use", "function_call"), "tool_calls"),
}
_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_text", "thinking", "reasoning_details")
_OTHERS = {"system", "user", "tool"}
"""Roles of messages that are no answer, though some servers send them with it."""


class Answer:
    """One answer, chunk by chunk."""

    def __init__(
        self, tools: Collection[str], new_id: Callable[[], str], *, thinks_first: bool = False
    ) -> None:
        """`tools` are the names that were offered; `new_id` gives calls without an id one."""
        self._text = AnswerText(tools, thinks_first=thinks_first)
        self._may_call = bool(tools)
        self._letters = Letters()
        self._calls = Calls(tools, new_id)
        self._has_pieces = False
        self._has_said = False
        self._reason: str | None = None
        self._usage: Usage | None = None

    @property
    def left_tag_out(self) -> bool:
        """Whether the model closed a thought that it had not opened."""
        return self._text.left_tag_out

    @property
    def is_finished(self) -> bool:
        """Whether the server has said why the answer ends."""
        return self._reason is not None

    def push(self, chunk: object) -> Iterator[ModelEvent]:
        """What a chunk brings. Raises ProviderError where it says that the server failed."""
        if not isinstance(chunk, dict):
            return
        self._take_usage(chunk)
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict) or choice.get("index") not in (0, None):
            return
        if choice.get("finish_reason") == "error":
            raise ProviderError("the answer broke off: the server finished it with an error")
        self._reason = choice.get("finish_reason") or self._reason
        delta = self._delta(choice)
        thoughts = (delta.get(key) for key in _THOUGHTS)
        thought = next(filter(None, thoughts), None) or thought_of(delta.get("content"))
        if thought is not None:
            yield Thought(mended(thought) if isinstance(thought, str) else "")
        said = text_of(delta.get("content")) or text_of(delta.get("refusal")) or text_of(choice.get("text"))
        if delta.get("role") not in _OTHERS:
            yield from self._events(self._text.push(self._letters.push(said)))
        for _ in range(self._calls.push(delta)):
            yield Thought()  # what is being written is not for the person, but it is a sign of life

    def _take_usage(self, chunk: Mapping[str, Any]) -> None:
        """What it has cost, as far as it is known."""
        beside = chunk.get("x_groq")
        usage = chunk.get("usage") or (beside.get("usage") if isinstance(beside, dict) else None)
        if isinstance(usage, dict):
            self._usage = Usage(_count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))

    def _delta(self, choice: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is new in a choice. Some servers send the whole message too, at the end or beside each piece."""
        delta = choice.get("delta")
        if isinstance(delta, str):
            delta = {"content": delta}
        if isinstance(delta, dict) and delta:
            self._has_pieces = self._has_pieces or bool(delta.get("content") or delta.get("tool_calls"))
            return delta
        message = choice.get("message")
        return message if isinstance(message, dict) and not self._has_pieces else {}

    def end(self, *, is_complete: bool) -> Iterator[ModelEvent]:
        """What is left once the server has sent everything. `is_complete` tells that its end was no accident.

        Raises ProviderError if the answer broke off.
        """
        yield from self._events(self._text.push(self._letters.flush()))
        yield from self._events(self._text.flush())
        # Some servers never give a reason. Of nothing at all it would have to be a good one.
        has_all = is_complete or self._usage is not None
        if self._reason is None and not (has_all and (self._has_said or self._calls)):
            raise ProviderError("the answer broke off: the server closed the stream without finishing it")
        calls = list(self._calls.whole())
        yield from calls
        # Some servers finish tool calls with "stop", and some "tool_calls" without a call.
        reason = "tool_calls" if calls else _REASONS.get(str(self._reason).lower(), "stop")
        yield Finished("stop" if reason == "tool_calls" and not calls else reason, self._usage or Usage())

    def _events(self, pieces: list[Piece]) -> Iterator[ModelEvent]:
        for channel, text in pieces:
            match channel:
                case Channel.SAID if text:
                    self._has_said = True
                    yield TextDelta(text)
                case Channel.THOUGHT:
                    yield Thought(text)
                case Channel.CALL if self._may_call:
                    self._calls.write(calls_in(text))
                case _:
                    pass


def _count(usage: Mapping[str, Any], key: str) -> int:
    count = usage.get(key)
    return count if isinstance(count, int) else 0
