"""An `AgentSession` of LiveKit with the realtime model of `livekit-plugins-openai`, and no room:
python livekit_agents.py SCENE URL CLIP (see tests/clients/README.md)."""

import asyncio
import json
import sys
import time
from pathlib import Path

from livekit import rtc
from livekit.agents import Agent, AgentSession, function_tool
from livekit.agents.voice import io
from livekit.plugins import openai

HZ = 24_000
FRAME_BYTES = 2 * HZ // 50

scene, url, clip = sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_bytes()
report = {"heard": [], "said": [], "audio_bytes": 0, "interrupted": 0, "tool": None, "errors": []}
finished = asyncio.Event()


class Microphone(io.AudioInput):
    """Always on; silent unless there is something to say."""

    def __init__(self) -> None:
        super().__init__(label="microphone")
        self.to_say = b""

    async def __anext__(self) -> rtc.AudioFrame:
        await asyncio.sleep(0.02)
        frame, self.to_say = self.to_say[:FRAME_BYTES], self.to_say[FRAME_BYTES:]
        return rtc.AudioFrame(frame.ljust(FRAME_BYTES, b"\0"), HZ, 1, FRAME_BYTES // 2)


class Loudspeaker(io.AudioOutput):
    """Plays in real time, and tells how far it came."""

    def __init__(self, microphone: Microphone) -> None:
        super().__init__(
            label="loudspeaker", capabilities=io.AudioOutputCapabilities(pause=False), sample_rate=HZ
        )
        self._microphone = microphone
        self._answers = 0
        self._begun_s = self._length_s = 0.0
        self._ending: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        report["audio_bytes"] += len(frame.data) * frame.data.itemsize
        if not self._length_s:
            self._begun_s = time.time()
            self._answers += 1
            self.on_playback_started(created_at=self._begun_s)
            if scene == "talk" and self._answers == 1:
                self._microphone.to_say = clip
        self._length_s += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._length_s:
            left_s = max(0.0, self._begun_s + self._length_s - time.time())
            self._ending = asyncio.get_running_loop().call_later(left_s, self._finish, self._length_s, False)

    def clear_buffer(self) -> None:
        if self._length_s:
            report["interrupted"] += 1
            self._finish(min(self._length_s, time.time() - self._begun_s), True)

    def _finish(self, position_s: float, interrupted: bool) -> None:
        if self._ending is not None:
            self._ending.cancel()
        self._ending, self._length_s = None, 0.0
        self.on_playback_finished(playback_position=position_s, interrupted=interrupted)


class Counter(Agent):
    """Counts, and knows the weather."""

    def __init__(self) -> None:
        super().__init__(instructions="Count.")

    @function_tool
    async def get_weather(self, city: str) -> str:
        """How the weather is in a city."""
        report["tool"] = city
        return "sunny"


def note(event) -> None:
    """Keep what goes into the session's history."""
    item = event.item
    if item.type == "message" and item.role in ("user", "assistant"):
        report["heard" if item.role == "user" else "said"].append(item.text_content or "")
        if item.role == "assistant" and len(report["said"]) == (2 if scene == "talk" else 1):
            finished.set()


async def main() -> None:
    model = openai.realtime.RealtimeModel(
        model="gpt-realtime-2.1",
        api_key="any",
        base_url=url.replace("ws://", "http://").replace("/realtime", ""),
    )
    async with AgentSession(llm=model, aec_warmup_duration=None) as session:  # there is no echo to learn
        session.on("conversation_item_added", note)
        session.on("error", lambda event: report["errors"].append(str(event.error)))
        microphone = Microphone()
        session.input.audio = microphone
        session.output.audio = Loudspeaker(microphone)
        await session.start(Counter())
        if scene == "talk":
            microphone.to_say = clip
        else:
            session.generate_reply(user_input="What is the weather?")
        await finished.wait()
    await model.aclose()
    print(json.dumps(report))


asyncio.run(asyncio.wait_for(main(), 120))
