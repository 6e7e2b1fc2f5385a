"""What new sessions are made of: the settings, providers and agents in use, and the services that come of them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

from audio.echo import load_canceller
from server.config.agents import Crew
from server.config.keys import key_name
from server.config.languages import PHRASES
from server.config.pipeline import build_pipelines, voice_settings
from server.config.providers import Providers
from server.config.settings import Settings
from server.config.speaking_ahead import spoken_ahead
from server.config.warm_up import warm_up
from server.domain.deadlines import Deadlines
from server.domain.errors import ConfigError
from server.domain.values import Abilities, SessionConfig, TurnDetection
from server.gateway.door.quotas import KeyLimits, holder_of
from server.response.context import Pipelines
from server.response.prepared import Prepared
from server.session.services import Services
from server.turntaking.echo_path import EchoCancellation
from server.turntaking.interruption import InterruptionPolicy
from server.turntaking.listener_words import WORDS
from stageflow.errors import PipelineBuildError, ToolDeclarationError
from stageflow.stages.ports import AudioPorts, CorePorts, LLMPorts, StagePorts
from stageflow.tools import Tool, ToolRegistry
from stages.errors import StageSettingsError
from stages.pipeline import build_say_pipeline
from stages.ports import MAX_PHRASES, HasTools, LanguageModel, OwnsTurns, Remind

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SessionSources:
    """One configuration in use; another takes its place when the configuration is read anew."""

    settings: Settings
    providers: Providers
    crew: Crew
    services: Services

    @classmethod
    def of(cls, settings: Settings, providers: Providers, crew: Crew, **of_process: Any) -> Self:
        """`of_process` are those services that outlive the configuration. Raises ConfigError where the crew's pipeline
        cannot work."""
        services = Services(
            recogniser=providers.recogniser,
            new_vad=providers.detector,
            pipelines=_pipelines(settings, providers, crew),
            new_ports=partial(_ports, providers, crew),
            greeting=crew.agents[0].greeting or "",
            end_of_turn=providers.end_of_turn,
            tool_servers=providers.tool_servers,
            confirmed_tools=_confirmed(settings, providers.model),
            limits=settings.limits,
            deadlines=Deadlines(**settings.deadlines.model_dump()),
            voices=tuple(providers.voice.voices),
            interruption=_interruption(settings, settings.language),
            interruption_in={code: _interruption(settings, [code]) for code in settings.language},
            languages=settings.language,
            recognised=providers.languages,
            phrases=_phrases(settings, providers, crew),
            lead_ms=settings.lead_ms,
            unreported_lead_ms=settings.unreported_lead_ms,
            chunk_ms=settings.output_chunk_ms,
            echo_cancellation=_echo_cancellation(settings),
            **of_process,
        )
        return cls(settings, providers, crew, services)

    @property
    def session_config(self) -> SessionConfig:
        """What a session begins with where its client says nothing else."""
        return SessionConfig(
            instructions=self.settings.instructions,
            turn_detection=TurnDetection(
                kind=self.settings.turn_detection,
                eagerness=self.settings.eagerness,
                silence_duration_ms=self.settings.silence_duration_ms,
            ),
        )

    @property
    def abilities(self) -> Abilities:
        """What the providers can do of what a client may ask for."""
        voices = tuple(voice.name for voice in self.providers.voice.voices)
        recogniser = self.providers.recogniser
        owns_turns = getattr(recogniser, "turns", None) is not None and isinstance(recogniser, OwnsTurns)
        agents = tuple(agent.name for agent in self.crew.agents)
        spoken = self.settings.language
        languages = spoken if len(spoken) > 1 else self.providers.languages
        return Abilities(languages, voices, owns_turns, agents, self.providers.takes_phrases)

    def services_of(self, providers: Providers) -> Services:
        """The services of one session, for which these providers have been opened."""
        if providers is self.providers:
            return self.services
        new_ports = partial(_ports, providers, self.crew)
        return replace(self.services, recogniser=providers.recogniser, new_ports=new_ports)

    def key_name(self, presented: str | None) -> str | None:
        """What the log calls a key of ours; None where everybody may come in, or with a client secret."""
        keys = [key.get_secret_value() for key in self.settings.api_keys]
        return next(
            (key_name(n, self.settings.key_names) for n, key in enumerate(keys) if key == presented), None
        )

    def limits_of_keys(self) -> Mapping[str, KeyLimits]:
        """The limits of the keys that have their own, by holder."""
        names = {
            key_name(number, self.settings.key_names): key.get_secret_value()
            for number, key in enumerate(self.settings.api_keys)
        }
        return {holder_of(names[name]): limits for name, limits in self.settings.keys.items()}

    async def spoken_ahead(self, prepared: Mapping[str, Prepared] | None = None) -> Self:
        """The same with what is said when a provider is late or fails spoken already, if the voice can do that."""
        pipelines = self.services.pipelines
        if prepared is None:
            prepared = await spoken_ahead(self.providers, pipelines.own_words())
        return replace(self, services=replace(self.services, pipelines=replace(pipelines, prepared=prepared)))

    async def warm_up(self) -> None:
        """Have each language model answer once. What goes wrong is logged."""
        async with self.providers.of_session() as providers:
            models = (providers.model, *providers.models.values())
            await warm_up({id(model): model for model in models}.values())


def _echo_cancellation(settings: Settings) -> EchoCancellation | None:
    """As it is set. Raises ConfigError: the canceller does not run here."""
    if settings.echo_cancellation == "off":
        return None
    try:
        new_canceller = load_canceller()
    except (ImportError, OSError) as error:
        raise ConfigError(
            f"echo_cancellation: {error}; it needs `pip install 'stageflow-voice[echo]'`"
        ) from error
    return EchoCancellation(new_canceller, is_always=settings.echo_cancellation == "on")


def _confirmed(settings: Settings, model: LanguageModel) -> frozenset[str]:
    """Those that are configured, or else those that a model with tools of its own says."""
    if settings.confirmed_tools is not None:
        return frozenset(settings.confirmed_tools)
    return frozenset(getattr(model, "confirmed_tools", ()))


def _ports(providers: Providers, crew: Crew, remind: Remind, owner: str) -> StagePorts:
    """What the runs of one session use, whose providers these are. Raises ConfigError: two tools have one name."""
    model = providers.model
    theirs: Sequence[Tool] = ()
    if hasattr(model, "session_tools") and isinstance(model, HasTools):  # the second takes 50 µs
        theirs = model.session_tools(remind, owner).tools
    try:
        tools = ToolRegistry([*crew.tools, *providers.operator_tools(), *theirs])
    except ToolDeclarationError as error:
        of_model = ", ".join(tool.name for tool in theirs)
        raise ConfigError(f"{error}" + (f"; the model brings {of_model} itself" if theirs else "")) from error
    return StagePorts(
        core=CorePorts(db=providers.db),
        llm=LLMPorts(llm_provider=model, tool_registry=tools),
        audio=AudioPorts(stt_provider=providers.recogniser, tts_provider=providers.voice),
    )


def _interruption(settings: Settings, languages: Sequence[str]) -> InterruptionPolicy:
    """With what people say in any of these languages."""
    words = [WORDS[code] for code in languages]
    return InterruptionPolicy(
        **settings.interruption.model_dump(),
        backchannels=tuple(word for spoken in words for word in spoken.backchannels),
        commands=tuple(word for spoken in words for word in spoken.commands),
    )


def _phrases(settings: Settings, providers: Providers, crew: Crew) -> tuple[str, ...]:
    """The words of the server and of all its agents, each once; what of them changes nothing is logged."""
    written = (*settings.phrases, *(phrase for agent in crew.agents for phrase in agent.phrases))
    phrases = tuple(dict.fromkeys(one for phrase in written if (one := " ".join(phrase.split()))))
    if phrases and not providers.takes_phrases:
        log.warning("phrases: the recogniser listens for no words that it is told: they change nothing")
    elif len(phrases) > MAX_PHRASES:
        log.warning(
            "phrases: a recogniser is told %d, and the server and its agents have %d: the last ones change nothing",
            MAX_PHRASES,
            len(phrases),
        )
    return phrases


def _pipelines(settings: Settings, providers: Providers, crew: Crew) -> Pipelines:
    try:
        live = build_pipelines(settings, crew, providers.models, providers.voice)
    except (StageSettingsError, PipelineBuildError) as error:
        raise ConfigError(f"the configuration cannot be used:\n  pipeline.hook: {error}") from error
    return Pipelines(
        voice=live.voice,
        text=live.text,
        work=live.work,
        refusal=settings.guard_refusal,
        apologies={code: PHRASES[code].apology for code in settings.language},
        fillers={code: PHRASES[code].filler for code in settings.language},
        say=build_say_pipeline(providers.voice, voice_settings(settings, crew)),
        say_text=build_say_pipeline(None),
    )
