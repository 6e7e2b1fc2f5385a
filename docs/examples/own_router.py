"""A router of one's own, by meaning instead of keywords: examples of what people say decide who answers.

scripts/serve docs/examples/own_router.py:app
"""

from functools import cache

from anyio import to_thread

from server import Agent, Route, VoiceServer
from stageflow import StageContext, StageOutput
from stages.providers.minilm.intents import Intents

EXAMPLES = {
    "sales": ["what does this cost", "i want to buy shoes", "do you have them in red"],
    "support": ["it is broken", "the sole came off", "i want my money back"],
}
OTHERS = ["hello", "what is the weather like", "tell me a joke", "thank you"]


@cache
def intents() -> Intents:
    return Intents.load(EXAMPLES, OTHERS)  # in the thread of the first turn


async def by_meaning(ctx: StageContext) -> StageOutput:
    """Stay with the agent of the last turn where neither is meant."""
    meant = await to_thread.run_sync(lambda: intents().of(ctx.snapshot.input_text or ""))
    return StageOutput.ok(route=meant or ctx.snapshot.metadata["route"] or "sales")


app = VoiceServer(
    agents=[
        Agent(name="sales", instructions="You sell shoes."),
        Agent(name="support", instructions="You mend shoes."),
    ],
    routes=[Route(agent="sales", default=True), Route(agent="support")],
    pipeline=lambda standard: standard.replace("router", by_meaning),
)
