"""The pipeline of a configuration: its stages with what the operator has set, edited by the operator's hook."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from server.config.agents import Agent, Crew
from server.config.languages import refusals
from server.config.settings import Settings
from stageflow.errors import StageflowError
from stageflow.pipeline import Pipeline
from stages.agent_profile import AgentLimits, AgentProfile
from stages.errors import StagesError
from stages.guard import GuardPolicy, GuardRule
from stages.pipeline import (
    LivePipelines,
    StageWaits,
    VoicePipelineConfig,
    live_pipelines,
    standard_pipeline,
)
from stages.router import Route as StageRoute
from stages.stages_apart import stages_apart
from stages.tts import Voice, VoiceSettings


def voice_settings(settings: Settings, crew: Crew) -> VoiceSettings:
    """How the first agent speaks, with the voices of the others where they differ."""
    return VoiceSettings(
        crew.agents[0].voice, chunk_timeout_s=settings.deadlines.voice_s, of_routes=crew.voices
    )


def build_pipelines(
    settings: Settings, crew: Crew, models: Mapping[str, Any], voice: Voice | None
) -> LivePipelines:
    """What the server runs for a turn; `models` are the agents' own, by name. Raises StageSettingsError and
    StageflowError for what cannot work, and what the hook raises."""
    waits = settings.deadlines
    config = VoicePipelineConfig(
        tuple(_profile(agent, models.get(agent.name), crew) for agent in crew.agents),
        tuple(
            StageRoute(route.agent, route.keywords, route.patterns, sticky=route.sticky)
            for route in crew.routes
        ),
        crew.default_agent,
        policy=GuardPolicy(
            _rules(settings, crew),
            settings.guard_refusal,
            settings.guard_max_chars,
            refusals(settings.language, settings.guard_refusal),
        ),
        agent_limits=AgentLimits(
            first_token_s=waits.first_token_s, gap_s=waits.token_gap_s, answer_s=waits.answer_s
        ),
    )
    standard = standard_pipeline(config, voice, voice_settings(settings, crew))
    hook = crew.hook and partial(_edited, crew.hook)
    return live_pipelines(standard, hook, StageWaits(waits.recognise_s, waits.prepare_s, waits.first_token_s))


def _edited(hook: Any, pipeline: Pipeline) -> Any:
    """What the hook makes of it, whose stages run apart."""
    edited = hook(pipeline)
    return stages_apart(edited) if isinstance(edited, Pipeline) else edited


def pipeline_faults(settings: Settings, crew: Crew) -> list[str]:
    """What is wrong with the pipeline, a line each, before any model is there. Calls the hook."""
    if crew.hook is None:
        return []
    try:
        build_pipelines(settings, crew, {}, None)
    except (StagesError, StageflowError) as error:
        told = getattr(error, "faults", None) or [str(error)]
        return [f"pipeline.hook: {fault}" for fault in told]
    except Exception as error:  # noqa: BLE001  # the hook is the operator's: whatever it raises is the finding
        return [f"pipeline.hook: raised {type(error).__name__}: {error}"]
    return []


def _rules(settings: Settings, crew: Crew) -> tuple[GuardRule, ...]:
    own = tuple(rule.for_stage() for rule in crew.guard)
    if settings.guard_words or settings.guard_patterns:
        return (GuardRule("blocked", settings.guard_words, settings.guard_patterns), *own)
    return own


def _profile(agent: Agent, model: Any, crew: Crew) -> AgentProfile:
    return AgentProfile(
        agent.name,
        model,
        agent.instructions,
        max_tokens=agent.max_tokens,
        tool_names=crew.tool_names.get(agent.name),
        expects=agent.expects,
    )
