"""The realtime runner of `openai-agents`: python openai_agents.py SCENE URL CLIP (see tests/clients/README.md)."""

import asyncio
import json
import sys
from pathlib import Path

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner, RealtimeSession

FRAME_BYTES = 2 * 24_000 // 50
ANSWERS = {"talk": 2, "tool": 1}

scene, url, clip = sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_bytes()
report = {"heard": [], "said": [], "audio_bytes": 0, "interrupted": 0, "tool": None, "errors": []}
to_say = b""


@function_tool
def get_weather(city: str) -> str:
    """How the weather is in a city."""
    report["tool"] = city
    return "sunny"


async def keep_sending(session: RealtimeSession) -> None:
    global to_say
    while True:
        frame, to_say = to_say[:FRAME_BYTES], to_say[FRAME_BYTES:]
        await session.send_audio(frame.ljust(FRAME_BYTES, b"\0"))
        await asyncio.sleep(0.02)


def note_history(history: list) -> None:
    """Read what was said out of the history that the runner keeps."""
    parts = [(item.role, part) for item in history if item.type == "message" for part in item.content]
    report["heard"] = [
        part.transcript for role, part in parts if role == "user" and part.type == "input_audio"
    ]
    report["said"] = [part.transcript for role, part in parts if role == "assistant" and part.type == "audio"]


async def main() -> None:
    global to_say
    agent = RealtimeAgent(name="Counter", instructions="Count.", tools=[get_weather])
    runner = RealtimeRunner(agent)
    model = {"url": f"{url}?model=gpt-realtime-2.1", "api_key": "any"}
    async with await runner.run(model_config=model) as session:
        microphone = asyncio.create_task(keep_sending(session))
        if scene == "talk":
            to_say = clip
        else:
            await session.send_message("What is the weather?")
        answers: list[str] = []
        async for event in session:
            if event.type == "audio":
                report["audio_bytes"] += len(event.audio.data)
                if event.item_id not in answers:
                    answers.append(event.item_id)
                    to_say = clip if scene == "talk" and len(answers) == 1 else b""
            elif event.type == "audio_interrupted":
                report["interrupted"] += 1
            elif event.type == "history_updated":
                note_history(event.history)
            elif event.type == "error":
                report["errors"].append(str(event.error))
            elif event.type == "agent_end" and len(answers) == ANSWERS[scene]:
                break
        microphone.cancel()
    print(json.dumps(report))


asyncio.run(asyncio.wait_for(main(), 120))
