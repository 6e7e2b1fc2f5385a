"""Says a fixed text through the voice pipeline: a refusal, an apology, a reminder."""

from stageflow.core import StageContext, StageKind, StageOutput
from stages.ports import Usage


class SayStage:
    """Streams the snapshot's `input_text` as an agent would.

    Its name is the agent's and so are the keys of its output: the voice, and whoever reads the results, need
    not know who spoke. Without a text there is nothing to say, which is an answer too.
    """

    name = "agent"
    kind = StageKind.TRANSFORM

    async def execute(self, ctx: StageContext) -> StageOutput:
        """Send the whole text as one token."""
        text = ctx.snapshot.input_text or ""
        if text and ctx.ports.llm.send_token is not None:
            await ctx.ports.llm.send_token(text)
        if text:
            await ctx.stream.send(text)
        return StageOutput.ok(
            text=text, route="say", usage=Usage(), tool_calls=(), client_calls=(), finish_reason="stop"
        )
