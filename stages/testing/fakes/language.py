"""Chat models by script: one that tells its script, and an echo."""

from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from stageflow.context import Message
from stageflow.tools import Tool, ToolCall
from stages.ports import (
    Expects,
    Finished,
    ModelCapabilities,
    ModelEvent,
    TextDelta,
    ToolChoice,
    Usage,
)
from stages.testing.fakes.script import TOKEN, Conduct, Script


@dataclass(frozen=True, slots=True)
class Said:
    """One answer of a model: its text token by token, then its tool calls."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    reason: Literal["stop", "length", "tool_calls", "content_filter"] | None = None
    """`tool_calls` or `stop` if not given."""
    conduct: Conduct = Conduct()
    expects: Expects | None = None
    """What the model says that it asks for."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a model was asked."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    max_tokens: int | None
    tool_choice: ToolChoice = "auto"


class ScriptedModel:
    """Answers with its script, one entry a request. A token is a word with the white space before it."""

    def __init__(self, *script: str | Said, keep_requests: int = 16) -> None:
        entries = script or ("All right.",)
        self._script = Script([Said(entry) if isinstance(entry, str) else entry for entry in entries])
        self.requests: deque[Request] = deque(maxlen=keep_requests)
        """The newest requests, for tests that ask what the model was told."""

    def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        """The next answer of the script."""
        self.requests.append(Request(tuple(messages), tuple(tools), max_tokens, tool_choice))
        return _tell(self._script.next(), messages, max_tokens)


class EchoSettings(BaseModel):
    """What an echo says, and how fast."""

    model_config = ConfigDict(extra="forbid")

    prefix: str = "You said: "
    first_token_ms: float = Field(0, ge=0, le=60_000, description="from the request to the first token")
    tokens_per_s: float | None = Field(None, gt=0, le=10_000, description="None: as fast as they are read")


class EchoModel:
    """Says again what the person said last; good enough to hear the whole way through working."""

    interface = 1
    title = "an echo"
    capabilities = ModelCapabilities(tools=False)
    Settings = EchoSettings

    def __init__(self, prefix: str = "You said: ", conduct: Conduct = Conduct()) -> None:
        self._prefix = prefix
        self._conduct = conduct

    @classmethod
    def from_settings(cls, settings: EchoSettings) -> Self:
        """An echo of this speed."""
        gap_s = 1 / settings.tokens_per_s if settings.tokens_per_s else 0.0
        return cls(settings.prefix, Conduct(delay_s=settings.first_token_ms / 1000, gap_s=gap_s))

    def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        """The last user message, with the prefix before it."""
        words = next((message.content for message in reversed(messages) if message.role == "user"), "nothing")
        return _tell(Said(self._prefix + words, conduct=self._conduct), messages, max_tokens)


async def _tell(
    said: Said, messages: Sequence[Message], max_tokens: int | None
) -> AsyncGenerator[ModelEvent, None]:
    tokens = TOKEN.findall(said.text)
    told = tokens if max_tokens is None else tokens[:max_tokens]
    # Each is made when it is given: a hundred long answers at once would be most of what the collector goes through.
    for given, result in enumerate((*told, *said.calls)):
        await said.conduct.before(given)
        yield TextDelta(result) if isinstance(result, str) else result
    await said.conduct.at_end()
    reason = said.reason or ("tool_calls" if said.calls else "stop")
    usage = Usage(sum(len(message.content.split()) for message in messages), len(told))
    yield Finished("length" if len(told) < len(tokens) else reason, usage, said.expects)
