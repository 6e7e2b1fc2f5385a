"""An agent of one's own, without a language model. Serve it: scripts/serve docs/examples/own_agent.py"""

from collections.abc import AsyncGenerator, Sequence

from server import Agent, VoiceServer
from stageflow.context import Message
from stageflow.tools import Tool
from stages.ports import Finished, ModelCapabilities, ModelEvent, TextDelta, ToolChoice


class Counter:
    """Counts the words that were said."""

    interface = 1
    capabilities = ModelCapabilities(tools=False)

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        words = messages[-1].content.split()  # the whole conversation is in `messages`
        for piece in ("That was ", f"{len(words)} ", "words."):
            yield TextDelta(piece)
        yield Finished()


app = VoiceServer(llm=Counter, agents=[Agent(greeting="Say something, and I count the words.")])
