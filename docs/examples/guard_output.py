"""An output guard: judges what the agent says sentence by sentence, before a word of it is heard.

scripts/serve docs/examples/guard_output.py:app
"""

from server import VoiceServer
from stageflow import Pipeline, StageContext, StageKind, StageOutput
from stages.text.sentences import Sentences

FORBIDDEN = ("guaranteed", "risk-free")


class OutputGuard:
    """Stands in the stream between the agent and the voice, and passes on what may be said."""

    kind = StageKind.GUARD

    async def execute(self, ctx: StageContext) -> StageOutput:
        """Send on each sentence that has passed; end the answer with a refusal at the first that has not."""
        sentences = Sentences()
        async for token in ctx.inputs.stream("agent"):
            for sentence in sentences.push(token):
                if not await self._passes(ctx, sentence):
                    return _REFUSED
        for sentence in sentences.flush():
            if not await self._passes(ctx, sentence):
                return _REFUSED
        return StageOutput.ok()

    async def _passes(self, ctx: StageContext, sentence: str) -> bool:
        if any(word in sentence.lower() for word in FORBIDDEN):
            return False
        await ctx.stream.send(sentence)
        return True


_REFUSED = StageOutput.cancel("a promise", {"refusal": "I cannot promise that."})


def pipeline(standard: Pipeline) -> Pipeline:
    """The standard pipeline with the guard in the agent's stream."""
    return standard.insert("output_guard", OutputGuard(), between=("agent", "tts"))


app = VoiceServer(pipeline=pipeline)
