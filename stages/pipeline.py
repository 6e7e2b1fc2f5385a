"""Assembles the stages into the pipelines that a session runs: a spoken turn, a typed one, a fixed text.

    stt ─▶ guard
     └──▶ router ─▶ agent ══ tokens ══▶ tts

`─▶` delivers a result when a stage has ended, `══▶` a stream while it runs. The guard runs beside the agent:
whoever owns the run must let nothing of the answer out before the guard has passed. A graph keeps nothing of
a run and is shared by all sessions.

`standard_pipeline` gives it unbuilt, to be edited; `live_pipelines` checks what came of it and builds what the
server runs: the same for answers in text, without the voice, and the WORK stages, which run when an answer is let out
and delay none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

from stageflow.core import StageContext, StageKind, StageOutput
from stageflow.graph import StageSpec, upstream
from stageflow.pipeline import Pipeline, PipelineGraph
from stages.agent import AgentStage
from stages.agent_profile import AgentLimits, AgentProfile
from stages.contract import (
    AGENT,
    GUARD,
    ROUTER,
    STT,
    TTS,
    PipelineHook,
    check_pipeline,
    in_stream_before,
    roles_of,
)
from stages.errors import StageSettingsError
from stages.guard import GuardPolicy, GuardStage
from stages.live import LiveStages
from stages.router import Route, RouterStage
from stages.say import SayStage
from stages.stt import SttStage
from stages.tts import TtsStage, Voice, VoiceSettings
from stages.work import Work, works_of


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


LONG_ANSWER_TOKENS = 8_192
"""Room in the streams of an answer where a guard judges all of it before any is heard: so it is written to its end
meanwhile."""


@dataclass(frozen=True, slots=True)
class StageWaits:
    """How long an answer waits for a stage of somebody's own without a `timeout_s`, in seconds from when it begins."""

    recognise_s: float = inf
    """For one in the place of `stt`."""
    prepare_s: float = inf
    """For an ENRICH or TRANSFORM that reads no stream; the other stages have limits of their own."""
    first_sign_s: float = inf
    """For the first sign of an AGENT that reads no stream: an item, a token, an event, a call of a tool."""


@dataclass(frozen=True, slots=True)
class LivePipelines:
    """What the server runs for a turn."""

    voice: PipelineGraph
    text: PipelineGraph
    """The same for answers in text: the stage in the voice's place makes no sound."""
    work: tuple[Work, ...] = ()
    """WORK stages, each run by itself when the stages that it needs have ended and the answer is let out."""


def standard_pipeline(
    config: VoicePipelineConfig, voice: Voice | None = None, voice_settings: VoiceSettings = VoiceSettings()
) -> Pipeline:
    """A turn from the person's words, spoken or typed, to a spoken answer; unbuilt. Without a `voice`, the one of the
    run's `tts_provider` port."""
    names = [profile.name for profile in config.profiles]
    routes = config.routes or tuple(map(Route, names))
    router = RouterStage(routes, config.default_route or next(iter(names), ""))
    agent = AgentStage(config.profiles, config.agent_limits)
    told = (ROUTER,) if voice_settings.of_routes else ()
    return (
        Pipeline()
        .with_stage(STT, SttStage())
        .with_stage(GUARD, GuardStage(config.policy), dependencies=(STT,))
        .with_stage(ROUTER, router, dependencies=(STT,))
        .with_stage(AGENT, agent, dependencies=(STT, ROUTER))
        .with_stage(TTS, TtsStage(voice, voice_settings), dependencies=told, streams=(AGENT,))
    )


def live_pipelines(
    pipeline: Pipeline, hook: PipelineHook | None = None, waits: StageWaits = StageWaits()
) -> LivePipelines:
    """The pipeline, edited by the hook and checked, as the server runs it. Raises StageSettingsError with all
    faults."""
    edited: object = pipeline if hook is None else hook(pipeline)
    if not isinstance(edited, Pipeline):
        what = f"the hook gave {type(edited).__name__}; return the Pipeline that it has edited"
        raise StageSettingsError("the pipeline", [what])
    if found := check_pipeline(edited):
        raise StageSettingsError("the pipeline", found)
    answering = _limited(_without_work(edited), waits)
    specs = {spec.name: spec for spec in answering.stages}
    feeds, producers = specs[TTS].streams, tuple(in_stream_before(specs, TTS))
    voice = _with_room(answering)
    signs = _first_signs(answering, waits.first_sign_s)
    return LivePipelines(
        voice=_live(voice, feeds, producers, signs),
        text=_live(voice.replace(TTS, _Shown(feeds)), feeds, producers, signs),
        work=works_of(edited.without(TTS)),
    )


def build_say_pipeline(voice: Voice | None, voice_settings: VoiceSettings = VoiceSettings()) -> PipelineGraph:
    """Says its snapshot's `input_text` the way an answer is spoken; without a voice by `send_token` only."""
    saying = Pipeline().with_stage(AGENT, SayStage())
    if voice is not None:
        voice_settings = replace(voice_settings, of_routes={})  # nobody has been routed
        saying = saying.with_stage(TTS, TtsStage(voice, voice_settings), streams=(AGENT,))
    return _live(saying, (AGENT,), (AGENT,), {})


def _live(
    pipeline: Pipeline, feeds: Sequence[str], producers: Sequence[str], signs: Mapping[str, float]
) -> PipelineGraph:
    words_before = roles_of(pipeline.build()).words_before
    live = LiveStages(after_words=words_before, producers=producers, feeds=feeds, first_sign_s=signs)
    return pipeline.build(interceptors=(live,))


@dataclass(frozen=True, slots=True)
class _Shown:
    """In the place of the voice: reads what it would speak, which has been shown by then."""

    sources: tuple[str, ...]
    kind = StageKind.TRANSFORM

    async def execute(self, ctx: StageContext) -> StageOutput:
        for source in self.sources:
            async for _ in ctx.inputs.stream(source):
                pass
        return StageOutput.ok()


def _without_work(pipeline: Pipeline) -> Pipeline:
    return Pipeline(tuple(spec for spec in pipeline.stages if spec.kind is not StageKind.WORK))


def _limited(pipeline: Pipeline, waits: StageWaits) -> Pipeline:
    """With a limit for each stage that has none and could be waited for without end."""

    def limited(spec: StageSpec) -> StageSpec:
        is_plain = (
            spec.kind in (StageKind.ENRICH, StageKind.TRANSFORM) and not spec.streams and spec.name != TTS
        )
        limit_s = waits.recognise_s if spec.name == STT else waits.prepare_s
        if not is_plain or isinstance(spec.stage, SttStage) or spec.timeout_s is not None or limit_s == inf:
            return spec
        return replace(spec, timeout_s=limit_s)

    return Pipeline(tuple(map(limited, pipeline.stages)))


def _first_signs(pipeline: Pipeline, limit_s: float) -> dict[str, float]:
    """The limit of each AGENT that reads no stream and has none of its own: a `timeout_s`, or those of ours."""
    return {
        spec.name: limit_s
        for spec in pipeline.stages
        if spec.kind is StageKind.AGENT
        and not isinstance(spec.stage, AgentStage)
        and not spec.streams
        and spec.timeout_s is None
        and limit_s != inf
    }


def _with_room(pipeline: Pipeline) -> Pipeline:
    """Room for a whole answer in its streams, if a guard keeps it back until it has judged all of it: else writer and
    guard would wait for the voice, and the voice for them."""
    specs = {spec.name: spec for spec in pipeline.stages}
    line = {TTS, *in_stream_before(specs, TTS)}
    agents = {spec.name for spec in pipeline.stages if spec.kind is StageKind.AGENT}

    def judges_all(spec: StageSpec) -> bool:
        is_beside = spec.kind is StageKind.GUARD and spec.name not in line
        return is_beside and not agents.isdisjoint(upstream(specs, spec.name))

    if not any(map(judges_all, pipeline.stages)):
        return pipeline
    return Pipeline(
        tuple(
            replace(spec, capacity=spec.capacity or LONG_ANSWER_TOKENS) if spec.streams else spec
            for spec in pipeline.stages
        )
    )
