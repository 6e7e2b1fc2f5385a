"""Assembles the stages into the pipelines that a session runs: a spoken turn, a typed one, a fixed text.

    stt ─▶ guard
     └──▶ router ─▶ agent ══ tokens ══▶ tts

`─▶` delivers a result when a stage has ended, `══▶` a stream while it runs. The guard runs beside the agent:
whoever owns the run must let nothing of the answer out before the guard has passed. A graph keeps nothing of
a run and is shared by all sessions.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from stageflow.pipeline import Pipeline, PipelineGraph
from stages.agent import AgentLimits, AgentProfile, AgentStage
from stages.errors import StageSettingsError
from stages.guard import GuardPolicy, GuardStage
from stages.ports import Synthesiser
from stages.router import Route, RouterStage
from stages.say import SayStage
from stages.stt import SttStage
from stages.tts import TtsStage, VoiceSettings


@dataclass(frozen=True, slots=True)
class VoicePipelineConfig:
    """What the stages of a turn are made from. Routes and profiles belong together by their names.

    Raises StageSettingsError where they do not; the stages report the rest when they are made.
    """

    profiles: tuple[AgentProfile, ...]
    routes: tuple[Route, ...] = ()
    """May be left out when there is one profile only."""
    default_route: str | None = None
    """The first profile if not given."""
    policy: GuardPolicy = GuardPolicy()
    agent_limits: AgentLimits = AgentLimits()

    def __post_init__(self) -> None:
        found = list(self._faults())
        if found:
            raise StageSettingsError("the pipeline", found)

    def _faults(self) -> Iterator[str]:
        profiles = {profile.name for profile in self.profiles}
        routes = {route.name for route in self.routes}
        if len(profiles) > 1 or routes:
            yield from (f"route {name!r} leads to no profile" for name in sorted(routes - profiles))
            yield from (f"no route leads to profile {name!r}" for name in sorted(profiles - routes))


def build_voice_pipeline(
    config: VoicePipelineConfig, voice: Synthesiser, voice_settings: VoiceSettings = VoiceSettings()
) -> PipelineGraph:
    """A turn from the person's words, spoken or typed, to a spoken answer."""
    return _answering(config).with_stage("tts", TtsStage(voice, voice_settings), streams=("agent",)).build()


def build_text_pipeline(config: VoicePipelineConfig) -> PipelineGraph:
    """The same turn, answered in text only: through `send_token`, and in the agent's output."""
    return _answering(config).build()


def build_say_pipeline(
    voice: Synthesiser | None, voice_settings: VoiceSettings = VoiceSettings()
) -> PipelineGraph:
    """Says its snapshot's `input_text` the way an answer is spoken; without a voice by `send_token` only."""
    saying = Pipeline().with_stage("agent", SayStage())
    if voice is not None:
        saying = saying.with_stage("tts", TtsStage(voice, voice_settings), streams=("agent",))
    return saying.build()


def _answering(config: VoicePipelineConfig) -> Pipeline:
    names = [profile.name for profile in config.profiles]
    routes = config.routes or tuple(map(Route, names))
    router = RouterStage(routes, config.default_route or next(iter(names), ""))
    return (
        Pipeline()
        .with_stage("stt", SttStage())
        .with_stage("guard", GuardStage(config.policy), dependencies=("stt",))
        .with_stage("router", router, dependencies=("stt",))
        .with_stage("agent", AgentStage(config.profiles, config.agent_limits), dependencies=("stt", "router"))
    )
