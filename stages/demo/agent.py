"""The embedded agent: a scripted one, and no language model. It answers what its script foresees and never
guesses.

It tells the time, works out sums, keeps timers and books tables, through the same tools and the same stream
of events as a chat model, so the rest of the server cannot tell them apart; people can, because it says so
when asked. What it understands and says is in `scripted.toml`, how it decides in `dialogue`.
Sentence embeddings cost tens of milliseconds, so all of a decision is made on one thread shared by all
sessions.
"""

import contextlib
import hashlib
import json
import os
import re
import tempfile
import tomllib
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

import anyio.lowlevel
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from stageflow.context import Message
from stageflow.tools import Tool, ToolCall, ToolRegistry
from stages.demo.booking import TableBook
from stages.demo.dialogue import core_of, intent_by_rule, next_action
from stages.demo.intents import STRANGER, IntentClassifier
from stages.demo.minilm import Floats, SentenceEmbedder
from stages.demo.skills import build_skills
from stages.demo.state import EXPECTS, Call, Event, Heard, Outcome, Surroundings, Told, asks_for
from stages.demo.wording import Wording, without_mark
from stages.ports import (
    NOTHING_SAID,
    Expects,
    Finished,
    ModelCapabilities,
    ModelEvent,
    Remind,
    TextDelta,
    ToolChoice,
    Usage,
)
from stages.runtime.models import model_dir
from stages.runtime.worker import Worker
from stages.text.phrases import say_list
from stages.text.plain import plain

SCRIPT = Path(__file__).with_name("scripted.toml")
MESSAGES = 60
"""How far back a conversation is looked at; no task takes half as many."""

LONGEST_CHARS = 500
"""Of one utterance; what comes after is not heard."""

_VERDICTS = 4096
_TOKEN = re.compile(r"\S+\s*")


def local_now() -> datetime:
    """The machine's time, in its time zone."""
    return datetime.now().astimezone()


@dataclass(frozen=True, slots=True)
class Script:
    """What the agent understands and says; see the file."""

    examples: tuple[tuple[str, str], ...]
    """An intent, or `STRANGER`, and an utterance of it."""
    wording: Wording
    skills: Mapping[str, str]
    """By the name of a tool, what the agent can do with it."""

    @classmethod
    def read(cls, path: Path = SCRIPT) -> Self:
        """Read a script file."""
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        by_intent = {**content["intents"], STRANGER: content["strangers"]["examples"]}
        examples = tuple((intent, text) for intent, texts in by_intent.items() for text in texts)
        return cls(examples, Wording(content["says"]), content["skills"])


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
    capabilities = ModelCapabilities(languages=("en",))
    Settings = DemoSettings

    def __init__(
        self,
        script: Script,
        embed: Callable[[Sequence[str]], Floats],
        vectors: Floats,
        now: Callable[[], datetime],
        bookings: TableBook | None = None,
    ) -> None:
        """`vectors` are the examples', `float32[n, dimensions]`; `now` is the time where the person is. `bookings` are
        closed with the agent; without any, it brings no skills."""
        self._script = script
        self._embed = embed
        self._classifier = IntentClassifier([intent for intent, _ in script.examples], vectors)
        self.now = now
        """The time of day, for itself and its tools."""
        self._bookings = bookings
        self._worker = Worker("agent")
        # By a digest, as what people say is not for keeping. Only the worker's thread touches it.
        self._intents: OrderedDict[bytes, str | None] = OrderedDict()

    @classmethod
    def from_settings(cls, settings: DemoSettings) -> Self:
        """Load the sentence model from the store; blocks. Raises ModelFileError."""
        return cls.load(model_dir("minilm-l6-v2"), now=local_now, booking_db=settings.booking_db)

    @classmethod
    def load(
        cls,
        directory: Path,
        *,
        now: Callable[[], datetime],
        cache: Path | None = None,
        booking_db: str | None = None,
    ) -> Self:
        """Load the sentence model in `directory` and learn the examples.

        Blocks for 0.2 s, the first time for some seconds; then the examples' vectors are kept in `cache`, by
        default beside the model. Raises ModelFileError.
        """
        script, embedder = Script.read(), SentenceEmbedder.load(directory)
        vectors = kept_vectors([plain(text) for _, text in script.examples], embedder, cache or directory)
        bookings = TableBook(None if booking_db == ":memory:" else Path(booking_db)) if booking_db else None
        return cls(script, embedder.embed, vectors, now, bookings)

    def close(self) -> None:
        """End the threads. Blocks for a moment, so call it off the loop."""
        self._worker.close()
        if self._bookings is not None:
            self._bookings.close()

    confirmed_tools = frozenset({"book_table", "cancel_booking"})

    def session_tools(self, remind: Remind, owner: str) -> ToolRegistry:
        """What it can do besides talking, for one session."""
        if self._bookings is None:
            return ToolRegistry()
        return build_skills(now=self.now, remind=remind, bookings=self._bookings, owner=owner)

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        """The answer word by word, or one tool call. A token is a word. It knows its own skills only.

        Raises ProviderError. Cancel-safe: nothing is kept of an answer that was not heard to its end.
        """
        recent, names = tuple(messages[-MESSAGES:]), frozenset(tool.name for tool in tools)
        answer = await self._worker.run(lambda: self._answer(recent, names))
        if isinstance(answer, Call):
            yield ToolCall(f"call_{len(messages)}", answer.tool, answer.arguments)
            yield Finished("tool_calls")
            return
        text, expects = answer
        words = _TOKEN.findall(text)
        said = words if max_tokens is None else words[:max_tokens]
        for word in said:
            await anyio.lowlevel.checkpoint()
            yield TextDelta(word)
        usage = Usage(output_tokens=len(said))
        yield Finished("stop", usage, expects) if len(said) == len(words) else Finished("length", usage)

    # --- on the worker's thread -----------------------------------------------------------------------------

    def _answer(
        self, messages: Sequence[Message], tools: frozenset[str]
    ) -> Call | tuple[str, Expects | None]:
        """What is said and what it asks for, or the call to make."""
        skills = [skill for tool, skill in self._script.skills.items() if not tools or tool in tools]
        around = Surroundings(self.now(), tools, say_list(skills))
        events = tuple(self._events(messages))
        action = next_action(events, around)
        if isinstance(action, Call):
            return action
        turn = sum(isinstance(event, Heard) for event in events)
        return " ".join(self._script.wording.word(said, turn) for said in action), asks_for(action[-1])

    def _events(self, messages: Sequence[Message]) -> Iterator[Event]:
        called: dict[str, str] = {}
        for message in messages:
            called |= {call.id: call.name for call in message.tool_calls}
            if message.role == "user" and message.content != NOTHING_SAID:
                yield Heard(plain(message.content[:LONGEST_CHARS]), self.intent_of(message.content))
            elif message.role == "tool":
                yield Outcome(
                    called.get(message.tool_call_id or "", message.name or ""), _result(message.content)
                )
            elif message.role == "assistant" and message.content:
                text = without_mark(message.content)
                yield Told(text, self._script.wording.recognise(text, frozenset(EXPECTS)))

    def intent_of(self, text: str) -> str | None:
        """What an utterance is about, if it is understood. Blocks for as long as embedding it takes."""
        text = plain(text[:LONGEST_CHARS])
        by_rule = intent_by_rule(text)
        if by_rule is not None:
            return by_rule
        key = hashlib.blake2b(text.encode(), digest_size=16).digest()
        if key not in self._intents:
            self._intents[key] = self._classifier.judge(self._embed([core_of(text)])[0]).intent
        self._intents.move_to_end(key)
        if len(self._intents) > _VERDICTS:
            self._intents.popitem(last=False)
        return self._intents[key]


def _result(text: str) -> Mapping[str, object] | None:
    """A tool's JSON object; None for anything else, which is how failures are told."""
    try:
        result = json.loads(text)
    except json.JSONDecodeError:
        return None
    return result if isinstance(result, dict) else None


# --- the examples' vectors --------------------------------------------------------------------------------


def kept_vectors(texts: Sequence[str], embedder: SentenceEmbedder, cache: Path) -> Floats:
    """The vectors of `texts`, from the cache if it has them and they are this model's."""
    digest = hashlib.blake2b("\n".join(texts).encode(), digest_size=8).hexdigest()
    path = cache / f"scripted-examples-{digest}.npy"
    with contextlib.suppress(OSError, ValueError):
        kept: Floats = np.load(path, allow_pickle=False)
        if kept.shape[0] == len(texts) and np.allclose(kept[0], embedder.embed(texts[:1])[0], atol=1e-4):
            return kept
    vectors = embedder.embed(texts)
    with contextlib.suppress(OSError):  # a cache that cannot be written is only slower
        _keep(vectors, path)
    return vectors


def _keep(vectors: Floats, path: Path) -> None:
    """Write all or nothing: another process may be reading."""
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npy", delete=False) as file:
        np.save(file, vectors)
    os.replace(file.name, path)
