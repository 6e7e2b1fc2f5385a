"""What a replica of the tier serves: one provider, found and made as a server finds and makes it."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from itertools import count
from typing import Any, Literal

import anyio.to_thread

from audio.formats import SPEECH_HZ
from stages.ports import HasSessions
from stages.providers.configured import configure
from stages.providers.registry import ProviderFault, find_provider
from stages.providers.remote.wire import Hello
from stages.providers.resampled import at_rate
from stages.runtime.lines import calls_of
from stages.tier.hearing import hear
from stages.tier.outbox import TierConnection
from stages.tier.speaking import speak

TierKind = Literal["stt", "tts"]

MAX_STREAMS = 64
"""Sessions that one replica takes, unless it is told otherwise."""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Which provider a replica serves. Plain values, which go to another process."""

    kind: TierKind
    use: str = "embedded"
    settings: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    max_streams: int = MAX_STREAMS


@dataclass(slots=True)
class TierFigures:
    """What a replica has done."""

    streams: int = 0
    """Open now."""
    opened: int = 0
    refused: int = 0


class TierEngine:
    """A provider that is made, and the streams that use it. Closed by its owner."""

    def __init__(self, choice: EngineChoice, provider: Any) -> None:
        self.choice = choice
        self.figures = TierFigures()
        self._provider: Any = at_rate(provider, SPEECH_HZ) if choice.kind == "stt" else provider
        self._made = provider
        self._numbers = count(1)

    @classmethod
    def load(cls, choice: EngineChoice) -> "TierEngine":
        """Find the provider, check its settings, and make it. Blocks. Raises ProviderFault with every fault, and what
        making it raises."""
        configured, faults = configure(
            find_provider(choice.kind, choice.use), choice.settings, choice.environment
        )
        if configured is None:
            raise ProviderFault(faults)
        return cls(choice, configured.make())

    @property
    def is_full(self) -> bool:
        """Whether it takes no more streams."""
        return self.figures.streams >= self.choice.max_streams

    async def serve(self, channel: TierConnection) -> None:
        """One stream, until the client leaves. Cancel-safe."""
        figures = self.figures
        figures.streams += 1
        figures.opened += 1
        try:
            # Each stream is a line of its own at the engine's worker: sessions wait for each other in turns.
            with calls_of(f"stream {next(self._numbers)}"):
                async with AsyncExitStack() as stack:
                    provider: Any = self._provider
                    if isinstance(provider, HasSessions):
                        provider = await stack.enter_async_context(provider.session())
                    await channel.send(self._hello(provider).model_dump_json())
                    if self.choice.kind == "stt":
                        await hear(provider, channel)
                    else:
                        await speak(provider, channel)
        finally:
            figures.streams -= 1

    async def close(self) -> None:
        """Close the provider, if it can be closed."""
        close: Callable[[], Awaitable[None]] | Callable[[], None] | None = getattr(self._made, "close", None)
        if close is None:
            return
        if iscoroutinefunction(close):
            await close()
        else:
            await anyio.to_thread.run_sync(close)

    def _hello(self, provider: Any) -> Hello:
        able = getattr(provider, "capabilities", None) or getattr(self._made, "capabilities", None)
        return Hello(
            kind=self.choice.kind,
            engine=self.choice.use,
            rate_hz=provider.rate_hz,
            languages=getattr(able, "languages", ("*",)),
            voices=tuple(getattr(provider, "voices", ())),
        )
