"""What an agent is made of, and how long it may take: profiles and limits of the AGENT stage (`stages.agent`)."""

from dataclasses import dataclass

from stageflow.tools import ToolCall, ToolRegistry, ToolResult
from stages.ports import Expects, LanguageModel


@dataclass(frozen=True, slots=True)
class AgentProfile:
    """One agent that a route can lead to."""

    name: str
    model: LanguageModel | None = None
    """Its own model; without one it is the run's `llm_provider` port."""
    instructions: str = ""
    tools: ToolRegistry | None = None
    """Its own tools, for sessions that bring none in their `tool_registry` port."""
    max_tokens: int | None = None
    may_be_silent: bool = False
    """Whether an empty answer is an answer. If not, it is a failure: the person waits for one."""
    tool_names: frozenset[str] | None = None
    """Of the tools that there are, those that it may call, a name with `*` at its end for all that begin so; all if not
    given."""
    expects: Expects | None = None
    """What kind of answer it asks for, unless its model says so."""

    def may_call(self, name: str) -> bool:
        """Whether a tool of this name is among its own."""
        if self.tool_names is None or name in self.tool_names:
            return True
        return any(one.endswith("*") and name.startswith(one[:-1]) for one in self.tool_names)


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool that was called, and what came of it."""

    call: ToolCall
    result: ToolResult


@dataclass(frozen=True, slots=True)
class AgentLimits:
    """How long a turn may take, in seconds of waiting for the model or for a tool."""

    first_token_s: float = 10.0
    """To the first sign of each request, one retry included, and from each thought to the next sign."""
    gap_s: float = 5.0
    """To the next token, once all that was said has been heard; where nobody listens, `first_token_s` counts."""
    answer_s: float = 60.0
    """For all requests of the turn together."""
    tool_s: float = 15.0
    """For one call, whatever the tool itself allows."""
    tool_rounds: int = 4
