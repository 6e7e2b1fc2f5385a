"""The embedded agent: a scripted one, and no language model. It answers what its script foresees and never guesses.

It tells the time, works out sums, keeps timers and books tables, through the same tools and the same stream of events
as a chat model. What it understands and says is in `scripted.toml`, how it decides in `dialogue`. Sentence embeddings
cost some milliseconds, so all of a decision is made on one thread shared by all sessions.
"""

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

import anyio.lowlevel
from pydantic import BaseModel, ConfigDict, Field

from stageflow.context import Message
from stageflow.tools import Tool, ToolCall, ToolRegistry
from stages import ports
from stages.demo.booking import TableBook
from stages.demo.dialogue import Dialogue, intent_by_rule
from stages.demo.script import SCRIPT, WORDING, asks_for, recognised, wished, worded
from stages.demo.skills import EFFECTS, build_skills
from stages.demo.tasks import Call
from stages.providers.minilm.intents import Intents
from stages.runtime.worker import Worker
from stages.text.phrases import say_list
from stages.text.plain import plain

MESSAGES = 60
"""How far back a conversation is looked at; no task takes half as many."""

LONGEST_CHARS = 500
"""Of one utterance; what comes after is not heard."""

_TOKEN = re.compile(r"\S+\s*")
_MARK = re.compile(r"\s*\[[^\]]*\]\s*$")
"""The note that the server may put behind an answer that was interrupted."""


class DemoSettings(BaseModel):
    """What may be configured of the demo."""

    model_config = ConfigDict(extra="forbid")

    booking_db: str = Field(":memory:", description="SQLite file of the bookings")


class DemoAgent:
    """A scripted agent, not a language model: time, sums, timers, and a restaurant's tables.

    Implements `stages.ports.LanguageModel`. Keeps nothing of a conversation.
    """

    interface = 1
    title = "a scripted agent, not a language model (embedded)"
    capabilities = ports.ModelCapabilities(languages=("en",))
    Settings = DemoSettings
    session_tool_names = tuple(EFFECTS)
    confirmed_tools = frozenset({"book_table", "cancel_booking"})

    def __init__(self, intents: Intents, booking_db: str = ":memory:") -> None:
        self._intents = intents
        self._bookings = TableBook(None if booking_db == ":memory:" else Path(booking_db))
        self._worker = Worker("agent")
        self.now: Callable[[], datetime] = lambda: datetime.now().astimezone()
        """The time of day where the person is, for itself and its tools; without another, the machine's."""

    @classmethod
    def from_settings(cls, settings: DemoSettings) -> Self:
        """With the sentence model of the store; as `load`."""
        return cls.load(None, settings.booking_db)

    @classmethod
    def load(cls, directory: Path | None, booking_db: str = ":memory:") -> Self:
        """Learn the script's examples with the sentence model in `directory`. Blocks and raises as `Intents.load`."""
        return cls(Intents.load(SCRIPT["intents"], SCRIPT["strangers"]["examples"], directory), booking_db)

    def close(self) -> None:
        """End the threads. Blocks for a moment, so call it off the loop."""
        self._worker.close()
        self._bookings.close()

    def session_tools(self, remind: ports.Remind, owner: str) -> ToolRegistry:
        """What it can do besides talking, for one session."""
        return build_skills(now=self.now, remind=remind, bookings=self._bookings, owner=owner)

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ports.ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ports.ModelEvent, None]:
        """The answer word by word, or one tool call. A token is a word. It knows its own skills only.

        Raises ProviderError. Cancel-safe: nothing is kept of an answer that was not heard to its end.
        """
        recent, names = messages[-MESSAGES:], frozenset(tool.name for tool in tools)
        answer = await self._worker.run(lambda: self._answer(recent, names))
        if isinstance(answer, Call):
            yield ToolCall(f"call_{len(messages)}", answer.tool, answer.arguments)
            yield ports.Finished("tool_calls")
            return
        text, expects = answer
        words = _TOKEN.findall(text)
        said = words if max_tokens is None else words[:max_tokens]
        for word in said:
            await anyio.lowlevel.checkpoint()
            yield ports.TextDelta(word)
        usage = ports.Usage(output_tokens=len(said))
        is_whole = len(said) == len(words)
        yield ports.Finished("stop", usage, expects) if is_whole else ports.Finished("length", usage)

    def _answer(
        self, messages: Sequence[Message], tools: frozenset[str]
    ) -> Call | tuple[str, ports.Expects | None]:
        """What is said and what it asks for, or the call to make. On the worker's thread."""
        skills = [skill for tool, skill in SCRIPT["skills"].items() if not tools or tool in tools]
        dialogue, turn = Dialogue(self.now(), tools, say_list(skills)), 0
        for message in messages:
            if message.role == "user" and message.content != ports.NOTHING_SAID:
                dialogue.heard(plain(message.content[:LONGEST_CHARS]), self.intent_of(message.content))
                turn += 1
            elif message.role == "tool":
                dialogue.answered(wished(message.content))
            elif message.role == "assistant" and message.content:
                text = _MARK.sub("", message.content)
                dialogue.told(text, recognised(text))
        action = dialogue.next_action()
        if isinstance(action, Call):
            return action
        return " ".join(worded(said, turn) for said in action), asks_for(action[-1])

    def intent_of(self, text: str) -> str | None:
        """What an utterance is about, if it is understood. Blocks for as long as embedding it takes."""
        text = plain(text[:LONGEST_CHARS])
        core = WORDING.patterns["politeness"].sub("", text)  # without the "hello" or "okay" before a request
        return intent_by_rule(text) or self._intents.of(core)
