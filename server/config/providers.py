"""The providers of a server: loaded once for the process, and opened for each session where they want that."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

import anyio
import anyio.to_thread

from audio.formats import SPEECH_HZ
from audio.vad import Detector, WebRtcVad
from server.config.choice import Choice, choose
from server.config.environment import unusable
from server.config.settings import Settings
from server.tools.mcp_policy import SETTING
from stageflow.tools import Tool
from stages.errors import ProviderRejected
from stages.ports import EndOfTurnModel, HasSessions, LanguageModel, Recogniser, Synthesiser, ToolServers
from stages.providers.built_in import Kind
from stages.providers.calls import label, label_alike
from stages.providers.configured import Configured
from stages.providers.cut_turns import as_recogniser
from stages.providers.resampled import at_rate

T = TypeVar("T")
K = TypeVar("K", bound=str)

ROLES: Mapping[Kind, str] = {"stt": "recogniser", "llm": "agent", "tts": "voice"}
"""What the three providers that people hear of are, in the order of `Providers.names`."""


@dataclass(frozen=True, slots=True)
class Providers:
    """What stands behind the ports, and what it is called."""

    recogniser: Recogniser
    model: LanguageModel
    voice: Synthesiser
    names: tuple[str, str, str]
    end_of_turn: EndOfTurnModel | None = None
    new_vad: Callable[[], Detector] | None = None
    """A detector for one session; WebRTC's if not given."""
    languages: tuple[str, ...] = ("*",)
    """What the recogniser understands, as in "de"; "*" stands for any."""
    models: Mapping[str, LanguageModel] = field(default_factory=dict)
    """By agent, the language models of those that have their own."""
    tool_servers: ToolServers | None = None
    """How servers of tools are reached that clients name; None where they may name none."""
    operator_tools: Callable[[], Sequence[Tool]] = tuple
    """Gives the tools that the operator's servers of tools have now."""
    db: object = None
    """What stages find in their `db` port."""
    takes_phrases: bool = True
    """Whether the recogniser listens for words that it is told."""

    def detector(self) -> Detector:
        """A speech detector for one session."""
        return self.new_vad() if self.new_vad else WebRtcVad()

    @asynccontextmanager
    async def of_session(self) -> AsyncIterator["Providers"]:
        """The same for one session: those that keep something open have it open as long as the block lasts."""
        # What `HasSessions` asks for, and at once: a protocol of ports takes 30 µs to be asked.
        if not any(hasattr(one, "session") for one in (self.recogniser, self.model, self.voice)):
            yield self
            return
        async with AsyncExitStack() as stack:
            yield replace(
                self,
                recogniser=await _opened(stack, self.recogniser),
                model=await _opened(stack, self.model),
                voice=await _opened(stack, self.voice),
            )


async def _opened(stack: AsyncExitStack, provider: T) -> T:
    # To ask for the name first saves 50 µs for each provider of each connection: that is what a protocol takes.
    if hasattr(provider, "session") and isinstance(provider, HasSessions):
        view = await stack.enter_async_context(provider.session())
        label_alike(view, provider)
        return cast("T", view)
    return provider


def title_of(kind: Kind, choice: Choice) -> str:
    """What people are told a provider is: its own title, in which `{field}` stands for one of its settings, or its
    name."""
    if kind in choice.given:
        made = choice.given[kind]
        return str(getattr(made, "title", type(made).__name__))
    return ", else ".join(map(_title, choice.providers[kind].parts))


def _title(chosen: Configured) -> str:
    title = str(getattr(chosen.provider.made_by, "title", chosen.provider.name))
    return title.format(**chosen.settings.model_dump())


@asynccontextmanager
async def load_providers(
    settings: Settings,
    report: Callable[[str], None],
    choice: Choice | None = None,
    models: Mapping[str, Any] | None = None,
) -> AsyncIterator[Providers]:
    """Load what the settings name, or what was chosen, off the loop.

    Raises ConfigError for providers that cannot be used, and ModelFileError.
    """
    if choice is None:
        choice = await anyio.to_thread.run_sync(lambda: choose(settings))
    if choice.faults:
        raise unusable(choice.faults)
    async with AsyncExitStack() as stack:
        names = (title_of("stt", choice), title_of("llm", choice), title_of("tts", choice))
        report("loading " + ", ".join(names))
        made = dict[Kind, Any](choice.given) | await _loaded(stack, choice.providers)
        of_agents = dict[str, Any](models or {})
        of_agents |= await _loaded(
            stack, {name: one for name, one in of_agents.items() if isinstance(one, Configured)}
        )
        takes_phrases = _takes_phrases(choice, made["stt"])
        recogniser = at_rate(as_recogniser(made["stt"]), SPEECH_HZ)
        label_alike(recogniser, made["stt"])
        made["stt"] = recogniser
        vad = made.get("vad")
        yield Providers(
            made["stt"],
            made["llm"],
            made["tts"],
            names,
            made.get("end_of_turn"),
            vad.open if vad is not None else None,
            _languages(choice, made["stt"]),
            of_agents,
            await load(stack, lambda: _tool_servers(settings)),
            takes_phrases=takes_phrases,
        )


async def _loaded(stack: AsyncExitStack, chosen: Mapping[K, Configured]) -> dict[K, Any]:
    """All of them, made at once: models are read with more than one core. Raises what the first of them raised, when
    the others are made, too."""
    made, failed = dict[K, Any](), dict[K, Exception]()

    async def make(name: K, one: Configured) -> None:
        try:
            made[name] = _labelled(await load(stack, one.make), one)
        except Exception as error:  # noqa: BLE001  # raised below, where it is known which was the first
            failed[name] = error

    async with anyio.create_task_group() as tasks:
        for name, one in chosen.items():
            tasks.start_soon(make, name, one)
    for name in chosen:
        if name in failed:
            raise failed[name]
    return made


async def load(stack: AsyncExitStack, make: Callable[[], T]) -> T:
    """What is made, in a thread; closed with the stack, if it can be closed."""
    made = await anyio.to_thread.run_sync(make)
    close = getattr(made, "close", None)
    if iscoroutinefunction(close):
        stack.push_async_callback(close)
    elif close is not None:
        stack.push_async_callback(anyio.to_thread.run_sync, close)
    return made


def _labelled(made: T, chosen: Configured) -> T:
    """What was made, known by its name for the counts of its calls; the parts of a chain are counted each."""
    if len(chosen.parts) == 1:
        label(made, chosen.provider.kind, chosen.provider.name)
    return made


def _languages(choice: Choice, recogniser: object) -> tuple[str, ...]:
    return getattr(_able(choice, recogniser), "languages", ("*",))


def _takes_phrases(choice: Choice, recogniser: object) -> bool:
    return bool(getattr(_able(choice, recogniser), "phrases", False))


def _able(choice: Choice, recogniser: object) -> object:
    """What the recogniser says that it can do, or its class."""
    chosen: Configured | None = choice.providers.get("stt")
    return getattr(recogniser, "capabilities", chosen.capabilities if chosen else None)


def _tool_servers(settings: Settings) -> ToolServers | None:
    if not settings.mcp_servers:
        return None
    from stages.providers.mcp_client import McpServers

    try:
        return McpServers()
    except ProviderRejected as error:
        raise unusable([f"{SETTING}: {error}"]) from error
