"""A fixed text goes the way of an answer."""

import pytest

from stageflow.context import ContextSnapshot
from stages.pipeline import build_say_pipeline
from stages.ports import Usage
from stages.testing.fakes import ScriptedVoice
from tests.support.listener import Listener

REFUSAL = "Sorry, I can't help with that."


async def test_a_text_is_shown_and_spoken() -> None:
    listener = Listener()
    graph = build_say_pipeline(ScriptedVoice())
    results = await graph.run(ContextSnapshot(input_text=REFUSAL), ports=listener.ports())
    assert (listener.tokens, listener.text) == ([REFUSAL], REFUSAL)
    assert len(listener.audio) > 24_000
    assert results.data("agent") == {
        "text": REFUSAL,
        "response": REFUSAL,
        "route": "say",
        "usage": Usage(),
        "tool_calls": (),
        "client_calls": (),
        "finish_reason": "stop",
        "expects": None,
    }


async def test_without_a_voice_it_is_shown_only() -> None:
    listener = Listener()
    await build_say_pipeline(None).run(ContextSnapshot(input_text=REFUSAL), ports=listener.ports())
    assert (listener.tokens, listener.chunks) == ([REFUSAL], [])


@pytest.mark.parametrize("text", [None, ""])
async def test_nothing_to_say_is_said(text: str | None) -> None:
    listener = Listener()
    await build_say_pipeline(ScriptedVoice()).run(ContextSnapshot(input_text=text), ports=listener.ports())
    assert (listener.tokens, listener.text) == ([], "")
