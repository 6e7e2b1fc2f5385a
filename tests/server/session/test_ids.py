"""The ids of a session come from one source, which can be handed in."""

import random
import re
from functools import partial
from typing import Any

import anyio

from server.dialects.realtime.dialect import RealtimeDialect
from server.domain.ids import Ids
from server.domain.values import SessionConfig
from stageflow.tools import ToolCall
from stages.testing.fakes import Said
from tests.support.stage import Stage, play, speak

CALLS = Said("Let me see.", calls=(ToolCall("call_of_the_model", "look_up", {}),))
TOOL = {"type": "function", "name": "look_up", "parameters": {"type": "object", "properties": {}}}
ID = re.compile(r"\b(?:sess|conv|item|resp|call)_[0-9A-Za-z]{21}\b")


def ids_of(seed: int) -> list[str]:
    """All ids that a client is told of in a conversation with speech, requests and calls."""

    async def story(stage: Stage) -> None:
        stage.wire.say("session.update", session={"type": "realtime", "tools": [TOOL]})
        await speak(stage, 1.0)
        await stage.wire.until("response.done")
        await anyio.sleep(2.0)
        call = {"type": "function_call", "name": "look_up", "arguments": "{}"}
        stage.wire.say("conversation.item.create", item=call)  # without ids
        stage.wire.say("response.create")
        await stage.wire.until("response.done", 2)
        stage.wire.say("response.create", response={"conversation": "none", "output_modalities": ["text"]})
        await stage.wire.until("response.done", 3)

    def stage_of() -> Stage:
        transcribed = SessionConfig(transcription=True)
        ids = Ids(random.Random(seed).randrange)
        return Stage(
            CALLS,
            "It is noon.",
            "Aside.",
            config=transcribed,
            dialect=partial(RealtimeDialect, ids=ids),
            ids=ids,
        )

    told: list[dict[str, Any]] = play(stage_of, story).wire.events()
    return list(dict.fromkeys(ID.findall(str(told))))


def test_by_the_same_chance_a_conversation_has_the_same_ids() -> None:
    once = ids_of(1)
    assert {made.split("_")[0] for made in once} == {"sess", "conv", "item", "resp", "call"}
    assert len(once) >= 9
    assert ids_of(1) == once
    assert not set(ids_of(2)) & set(once)
