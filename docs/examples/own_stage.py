"""Stages of your own in the live pipeline: who calls, words that are put differently, and a log that nobody waits for.

scripts/serve docs/examples/own_stage.py:app
"""

import logging

from server import VoiceServer
from stageflow import Pipeline, StageContext, StageKind, StageOutput

log = logging.getLogger("own_stage")


async def look_up(ctx: StageContext) -> StageOutput:
    """ENRICH: what it finds under `profile`, `memory` or `documents` is told to the model."""
    return StageOutput.ok(profile={"name": "Ada", "likes": ["tea"]})


async def reword(ctx: StageContext) -> StageOutput:
    """TRANSFORM between the agent and the voice: said, shown and remembered is what it sends."""
    async for token in ctx.inputs.stream("agent"):
        await ctx.stream.send(token.replace("utilize", "use"))
    return StageOutput.ok()


async def note(ctx: StageContext) -> StageOutput:
    """WORK: begins when the agent has ended and the answer is let out."""
    log.info("%r was answered by %r", ctx.snapshot.input_text, ctx.inputs.get("response"))
    return StageOutput.ok()


def pipeline(standard: Pipeline) -> Pipeline:
    """The standard pipeline (stt, guard, router, agent, tts) with three stages more."""
    return (
        standard.insert("look_up", look_up, ("stt", "agent"), StageKind.ENRICH, optional=True)
        .insert("reword", reword, ("agent", "tts"))
        .with_stage("note", note, StageKind.WORK, dependencies=("agent",))
    )


app = VoiceServer(pipeline=pipeline)
