"""Voices as one: the next goes on with the answer when the first fails, is late, or gives no sound."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import anyio

from stages.ports import SpokenUtterance, SynthesiserCapabilities
from stages.providers.failover.chain import Chain, common_languages
from stages.providers.failover.part import Choice, Voice
from stages.providers.failover.utterance import FailoverUtterance

LATE_S = 2.0
"""To the next audio of a text that a voice has been given."""


class FailoverVoice:
    """Voices in the order in which they are asked; an `UtteranceSynthesiser`. Names of voices are the first one's;
    the others speak with their default voice, unless they know the name too."""

    def __init__(self, chain: Chain[Voice], late_s: float = LATE_S) -> None:
        self._chain = chain
        self._late_s = late_s
        first = chain.links[0].provider
        self.voices = first.voices
        """The first one's."""
        self.rate_hz = first.rate_hz
        """The first one's; the others are resampled."""
        self.capabilities = self.common([_capabilities(link.provider) for link in chain.links])

    @classmethod
    def of(cls, providers: Mapping[str, Voice], *, hedge: bool = False) -> "FailoverVoice":
        """Voices by their names, the first choice first. `hedge`: the next is given the text too where one is later
        with its first sound than it usually is."""
        return cls(Chain.of("tts", providers, hedge=hedge))

    @staticmethod
    def common(several: Sequence[SynthesiserCapabilities]) -> SynthesiserCapabilities:
        """What all voices of the chain can do."""
        return SynthesiserCapabilities(
            word_times=all(one.word_times for one in several),
            streams_text=all(one.streams_text for one in several),
            speed=all(one.speed for one in several),
            languages=common_languages([one.languages for one in several]),
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator["FailoverVoice"]:
        """The same for one session."""
        async with AsyncExitStack() as stack:
            session = FailoverVoice(await self._chain.opened(stack), self._late_s)
            session.capabilities = self.capabilities  # a session's view of a voice need not tell them
            yield session

    async def close(self) -> None:
        """Close those that can be closed."""
        await self._chain.close()

    @asynccontextmanager
    async def utterance(
        self, *, voice: str | None = None, speed: float = 1.0, language: str | None = None
    ) -> AsyncIterator[SpokenUtterance]:
        """An answer's utterance."""
        choice = Choice(voice, speed, language, self.rate_hz, self._late_s)
        utterance = FailoverUtterance(self._chain, choice)
        own: BaseException | None = None
        with utterance:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(utterance.run)
                try:
                    yield utterance
                except (Exception, GeneratorExit) as error:  # noqa: BLE001  # the block's own, which leaves it as it is and not as a group
                    own = error
                finally:
                    utterance.cancel()
        if own is not None:
            raise own


def _capabilities(voice: Voice) -> SynthesiserCapabilities:
    return getattr(voice, "capabilities", SynthesiserCapabilities())
