"""Says a fixed text through the voice pipeline: a refusal, an apology, a reminder."""

from stageflow.core import StageContext, StageKind, StageOutput
from stages.contract import AGENT, AgentOutcome


class SayStage:
    """Streams the snapshot's `input_text` as an agent would.

    Its name is the agent's and so are the keys of its output: the voice, and whoever reads the results, need
    not know who spoke. Without a text there is nothing to say, which is an answer too.
    """

    name = AGENT
    kind = StageKind.TRANSFORM

    async def execute(self, ctx: StageContext) -> StageOutput:
        """Send the whole text as one token."""
        text = ctx.snapshot.input_text or ""
        if text:
            await ctx.stream.send(text)
        return StageOutput.ok(AgentOutcome(text=text, route="say").data())
