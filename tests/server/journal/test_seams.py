"""What stories of the microphone do not have: servers of tools that are lost, and voices with utterances."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from audio.formats import Samples
from audio.vad import WebRtcVad
from server.dialects.realtime.dialect import RealtimeDialect
from server.dialects.realtime.limits import RealtimeLimits
from server.journal.door import Door
from server.tools.mcp_policy import McpPolicy
from stageflow.tools import Tool, ToolCall
from stages.errors import ProviderError
from stages.ports import SpokenUtterance
from stages.providers.piecewise import open_utterance
from stages.testing.fake_tools import ScriptedToolServer, ScriptedToolServers
from stages.testing.fakes import Conduct, Said, ScriptedVoice
from tests.support.recorded import check_goes_as_it_went, record_stage, replay_stage
from tests.support.stage import LONG, Stage, speak

SERVER = {
    "type": "mcp",
    "server_label": "shop",
    "server_url": "http://tools/mcp",
    "require_approval": "never",
}


async def stock(what: str) -> str:
    """How many there are."""
    if what == "hats":
        raise ValueError("we have no hats")
    return f"7 {what}"


CALLS = tuple(ToolCall(f"call_{what}", "stock", {"what": what}) for what in ("shoes", "hats"))


class SpeakingVoice:
    """A voice that opens utterances."""

    def __init__(self, conduct: Conduct) -> None:
        self._voice = ScriptedVoice(conduct)
        self.rate_hz = self._voice.rate_hz
        self.voices = self._voice.voices

    def utterance(self, **how: Any) -> AbstractAsyncContextManager[SpokenUtterance]:
        return open_utterance(self._voice)


async def buys(stage: Stage, is_lost: Callable[[], None] | None = None) -> None:
    stage.wire.say("session.update", session={"type": "realtime", "tools": [SERVER]})
    await stage.wire.until("mcp_list_tools.completed")
    stage.ask("Are there shoes?", "text")
    await anyio.sleep(0.5)
    if is_lost is not None:
        is_lost()
    await anyio.sleep(5.0)
    stage.wire.say("response.create", response={"output_modalities": ["text"]})
    await anyio.sleep(10.0)


@pytest.mark.parametrize("is_lost", [False, True])
def test_tools_of_a_server(is_lost: bool, tmp_path: Path) -> None:
    shop = ScriptedToolServer((Tool.of(stock, effect="none"),), Conduct(delay_s=0.2), Conduct(delay_s=0.7))

    def stage_of(door: Door) -> Stage:
        servers, limits = (
            ScriptedToolServers(tools=shop),
            RealtimeLimits(hosting=McpPolicy(("http://tools",))),
        )
        dialect = partial(RealtimeDialect, limits=limits, ids=door.ids)
        return Stage(Said(calls=CALLS), "There are.", dialect=dialect, tool_servers=servers, door=door)

    record_stage(stage_of, partial(buys, is_lost=shop.lose if is_lost else None), tmp_path / "a")
    calls = len(shop.calls)
    assert calls
    replayed = replay_stage(stage_of, tmp_path / "a")
    check_goes_as_it_went(replayed)
    assert len(shop.calls) == calls, "a replay calls nothing"
    assert any(event["type"].startswith("response.mcp_call") for _, event in replayed.events)


async def is_interrupted(stage: Stage) -> None:
    await speak(stage, 1.0)
    await anyio.sleep(1.5)
    await speak(stage, 1.0)
    await anyio.sleep(5.0)


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "conduct", [Conduct(delay_s=0.1), Conduct(delay_s=0.1, stubborn_s=0.4), Conduct(fails=ProviderError)]
)
def test_a_voice_with_utterances(conduct: Conduct, tmp_path: Path) -> None:
    def stage_of(door: Door) -> Stage:
        return Stage(LONG, LONG, speaker=SpeakingVoice(conduct), door=door)

    record_stage(stage_of, is_interrupted, tmp_path / "a")
    check_goes_as_it_went(replay_stage(stage_of, tmp_path / "a"))


class LateVad:
    """WebRTC's detector, some time later."""

    rate_hz = WebRtcVad.rate_hz
    frame_samples = WebRtcVad.frame_samples

    def __init__(self, late_s: float) -> None:
        self._vad = WebRtcVad()
        self._late_s = late_s

    def ask(self, frames: Sequence[Samples], tell: Callable[[Sequence[float]], None]) -> None:
        scores = [self._vad.score(frame) for frame in frames]
        asyncio.get_running_loop().call_later(self._late_s, tell, scores)

    def reset(self) -> None:
        self._vad.reset()

    def close(self) -> None:
        """Goes on."""


@pytest.mark.no_cover
@pytest.mark.parametrize("late_s", [0.0, 0.011, 0.2])
def test_a_detector_that_tells_later(late_s: float, tmp_path: Path) -> None:
    def stage_of(door: Door) -> Stage:
        return Stage(LONG, LONG, new_vad=partial(LateVad, late_s), door=door)

    record_stage(stage_of, is_interrupted, tmp_path / "a")
    replayed = replay_stage(stage_of, tmp_path / "a")
    check_goes_as_it_went(replayed)
    happened = [event["type"] for _, event in replayed.events]
    assert happened.count("input_audio_buffer.speech_started") == 2
    assert happened.count("response.created") == 2
