"""The agent that stock clients talk to: long answers to interrupt, and a tool of the client's to call."""

from collections.abc import AsyncGenerator, Sequence

from stageflow.context import Message
from stageflow.tools import Tool, ToolCall
from stages.ports import LanguageModel, ModelEvent, ToolChoice
from stages.testing.fakes import Said, ScriptedModel

TOOL = "get_weather"
"""What the client offers."""
CITY = "Oslo"
ANSWER = "One two three four five six seven eight nine ten. " * 2
"""Some seven seconds long, as `ScriptedVoice` speaks."""


class StockAgent:
    """Asks the client's tool when "weather" is typed, tells what the tool said, and counts aloud otherwise."""

    def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        """The answer to the last message."""
        model = self._model(messages[-1])
        return model.stream(messages, tools=tools, tool_choice=tool_choice, max_tokens=max_tokens)

    def _model(self, last: Message) -> LanguageModel:
        if last.role == "tool":
            return ScriptedModel(f"I was told: {last.content}")
        if last.role == "user" and "weather" in last.content:
            return ScriptedModel(Said("", (ToolCall("call_1", TOOL, f'{{"city": "{CITY}"}}'),)))
        return ScriptedModel(ANSWER)
