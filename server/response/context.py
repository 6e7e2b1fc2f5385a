"""What answers use of their process and of their session."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from server.conversation.memory import Conversation
from server.conversation.session_language import SessionLanguage
from server.conversation.utterances import Utterances
from server.domain.clock import Now
from server.domain.deadlines import Deadlines
from server.domain.mcp_tools import Offer
from server.domain.session_parts import Tasks
from server.domain.values import Response, SessionConfig
from server.output.link import Link
from server.output.outbound import Outbound
from server.response.prepared import Prepared
from server.tools.mcp_calls import McpCalls
from server.turntaking.inbox import FloorInbox
from stageflow.pipeline import PipelineGraph
from stageflow.stages.ports import StagePorts
from stages.guard import REFUSAL
from stages.work import Work


@dataclass(frozen=True, slots=True)
class Pipelines:
    """The graphs that answers run, shared by all sessions of the process."""

    voice: PipelineGraph
    text: PipelineGraph
    say: PipelineGraph
    say_text: PipelineGraph
    """The same, for responses in text."""
    work: tuple[Work, ...] = ()
    """WORK stages of the answers' pipeline, which run beside them."""
    refusal: str = REFUSAL
    """What is said when a guard blocks and has no words of its own."""
    apologies: Mapping[str, str] = field(
        default_factory=lambda: {"en": "Sorry, something went wrong on my side. Please say that again."}
    )
    """By language, what is said when there is no answer."""
    fillers: Mapping[str, str] = field(default_factory=lambda: {"en": "One moment, please."})
    """By language, what is said when an answer takes long, if it is `prepared`."""
    prepared: Mapping[str, Prepared] = field(default_factory=dict)
    """Texts that are spoken already."""

    def own_words(self) -> tuple[str, ...]:
        """All that is said without a model."""
        return (*self.apologies.values(), *self.fillers.values())

    @property
    def has_filler(self) -> bool:
        """Whether something can be said when an answer takes long."""
        return all(filler in self.prepared for filler in self.fillers.values())


@dataclass(frozen=True, slots=True)
class ResponseContext:
    """What responses use of their session."""

    session_id: str
    pipelines: Pipelines
    language: SessionLanguage
    conversation: Conversation
    outbound: Outbound
    ports: StagePorts
    """The session's providers and tools; an answer adds its own streams to the client."""
    mcp: McpCalls
    confirmed_tools: frozenset[str]
    """Tools of the server's that run only when the person has said yes to it."""
    utterances: Utterances
    """Of the session; the words of some may not be known yet."""
    deadlines: Deadlines
    inbox: FloorInbox
    max_context_tokens: int
    """How much of a conversation a model is told, with its instructions, as `context_window` estimates it."""
    link: Link
    now: Now
    tasks: Tasks
    """The session's: an answer does not end them."""
    user_id: str | None = None
    """Whose session it is, if it has somebody's key."""
    raises_impossible: bool = False
    """Whether an impossible event of a response is raised (in tests), or logged and ignored."""

    @property
    def apology(self) -> str:
        """What is said now when there is no answer."""
        return self.pipelines.apologies[self.language.code]

    @property
    def filler(self) -> str:
        """What is said now when an answer takes long."""
        return self.pipelines.fillers[self.language.code]

    async def offer(self, response: Response, config: SessionConfig) -> Offer:
        """The MCP tools that there are; none beside the conversation, where what comes of a call has no place."""
        if not response.in_conversation:
            return {}
        return await self.mcp.offer(config.mcp, [tool.name for tool in config.tools])
