"""The embedded agent: a scripted one, and no language model. It answers what its script foresees and never guesses.

It tells the time, works out sums, keeps timers and books tables, through the same tools and the same stream of events
as a chat model. What it understands and says is in `scripted.toml`, how it decides in `dialogue`. Sentence embeddings
cost some milliseconds, so all of a decision is made on one thread shared by all sessions.
"""

import contextlib
import hashlib
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

import anyio.lowlevel
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from stageflow.context import Message
from stageflow.tools import Tool, ToolCall, ToolRegistry
from stages import ports
from stages.demo.booking import TableBook
from stages.demo.dialogue import Dialogue, intent_by_rule
from stages.demo.intents import IntentClassifier
from stages.demo.minilm import Floats, SentenceEmbedder
from stages.demo.script import EXAMPLES, PATTERNS, SCRIPT, asks_for, recognised, wished, worded
from stages.demo.skills import EFFECTS, build_skills
from stages.demo.tasks import Call
from stages.runtime.made_files import digest_of, keep, made_dir
from stages.runtime.models import model_dir
from stages.runtime.worker import Worker
from stages.text.phrases import say_list
from stages.text.plain import plain

MODEL_NAME = "minilm-l6-v2"
"""In the lock file."""

MESSAGES = 60
"""How far back a conversation is looked at; no task takes half as many."""

LONGEST_CHARS = 500
"""Of one utterance; what comes after is not heard."""

_VERDICTS = 4096
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

    def __init__(
        self, embed: Callable[[Sequence[str]], Floats], vectors: Floats, booking_db: str = ":memory:"
    ) -> None:
        """`vectors` are the examples', `float32[n, dimensions]`."""
        self._embed = embed
        self._classifier = IntentClassifier([intent for intent, _ in EXAMPLES], vectors)
        self._bookings = TableBook(None if booking_db == ":memory:" else Path(booking_db))
        self._worker = Worker("agent")
        self._intents: dict[bytes, str | None] = {}
        """By a digest, as what people say is not for keeping. Only the worker's thread touches it."""
        self.now: Callable[[], datetime] = lambda: datetime.now().astimezone()
        """The time of day where the person is, for itself and its tools; without another, the machine's."""

    @classmethod
    def from_settings(cls, settings: DemoSettings) -> Self:
        """With the sentence model of the store; as `load`."""
        return cls.load(model_dir(MODEL_NAME), settings.booking_db)

    @classmethod
    def load(cls, directory: Path, booking_db: str = ":memory:") -> Self:
        """Load the sentence model in `directory` and learn the examples, whose vectors are kept with what is made.

        Blocks for 0.2 s, the first time for some seconds. Raises ModelFileError.
        """
        embedder = SentenceEmbedder.load(directory)
        vectors = kept_vectors([plain(text) for _, text in EXAMPLES], embedder, made_dir())
        return cls(embedder.embed, vectors, booking_db)

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
        if by_rule := intent_by_rule(text):
            return by_rule
        key = hashlib.blake2b(text.encode(), digest_size=16).digest()
        if key not in self._intents:
            if len(self._intents) >= _VERDICTS:
                self._intents.clear()
            core = PATTERNS["politeness"].sub("", text)  # without the "hello" or "okay" before a request
            self._intents[key], _ = self._classifier.judge(self._embed([core])[0])
        return self._intents[key]


def kept_vectors(texts: Sequence[str], embedder: SentenceEmbedder, cache: Path) -> Floats:
    """The vectors of `texts`, from the cache if it has them and they are this model's."""
    path = cache / f"{MODEL_NAME}-examples-{digest_of(text.encode() for text in texts)}.npy"
    with contextlib.suppress(OSError, ValueError):
        kept: Floats = np.load(path, allow_pickle=False)
        if kept.shape[0] == len(texts) and np.allclose(kept[0], embedder.embed(texts[:1])[0], atol=1e-4):
            return kept
    vectors = embedder.embed(texts)
    keep(path, lambda made: np.save(made, vectors))
    return vectors
