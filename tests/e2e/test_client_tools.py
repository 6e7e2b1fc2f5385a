"""Over a real socket: the client's tools, a response beside the conversation, and a session that only listens."""

import pytest

from server.client.client import WIRE_HZ, RealtimeClient
from stageflow.tools import ToolCall
from stages.testing.fakes import Said, ScriptedModel
from tests.support.live_server import ask, live_server
from tests.support.stage import voiced
from tests.support.trace_checker import check_trace

pytestmark = pytest.mark.e2e

WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
ROME = ToolCall("call_0", "weather", '{"city": "Rome"}')


async def test_a_tool_of_the_clients_is_called_and_its_result_spoken() -> None:
    model = ScriptedModel(Said("One moment.", (ROME,)), "It is sunny.", "A question about the weather.")
    async with live_server(model) as server, RealtimeClient(server.url) as client:
        await client.send("session.update", session={"type": "realtime", "tools": [WEATHER]})
        await ask(client, "And in Rome?")
        call = (await client.receive_until("response.function_call_arguments.done")).event
        await client.receive_until("response.done")
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
        await client.send("conversation.item.create", item=output)
        await client.send("response.create")
        await client.receive_until("response.done")
        out_of_band = {"conversation": "none", "output_modalities": ["text"], "metadata": {"kind": "topic"}}
        await client.send("response.create", response=out_of_band)
        done = (await client.receive_until("response.done")).event["response"]
        await client.receive_until("rate_limits.updated")
    check_trace(client.call.events())
    assert client.call.texts("response.output_audio_transcript.done", "transcript") == [
        "One moment.",
        "It is sunny.",
    ]
    assert (done["metadata"], done["conversation_id"]) == ({"kind": "topic"}, None)
    assert done["output"][0]["content"] == [{"type": "output_text", "text": "A question about the weather."}]
    assert model.requests[1].messages[-1].content == "sunny"


async def test_a_session_for_transcription_only_listens() -> None:
    async with live_server() as server, RealtimeClient(f"{server.url}?intent=transcription") as client:
        created = await client.receive_until("session.created")
        assert created.event["session"]["type"] == "transcription"
        await client.speak(voiced(1.0), WIRE_HZ)
        await client.speak(voiced(1.0) * 0, WIRE_HZ)
        heard = await client.receive_until("conversation.item.input_audio_transcription.completed")
        assert heard.event["transcript"] == "hello there"
        await client.send("response.create", event_id="c1")
        assert (await client.receive_until("error")).event["error"]["event_id"] == "c1"
    check_trace(client.call.events())
