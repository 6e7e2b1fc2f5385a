"""The server's canceller with the embedded models: whole sessions in virtual time, in rooms with an echo."""

from functools import cache
from typing import Literal

import numpy as np
import pytest

from audio.formats import AudioFormat, Encoding, Samples
from audio.resample import Resampler
from server.domain.values import ConfigInForce, Response, SessionConfig
from server.output.audible import AudibleVoice
from server.output.outbound import Outbound
from server.turntaking.echo_path import EchoPath
from stages.testing.virtual_time import virtual
from tests.support.audio_maker import clip
from tests.support.echo_room import HZ, Acoustics, Caller, Models, Room
from tests.support.stage import Stage, play

TALK = (
    "Hello. Thank you for calling. Let me tell you about our opening hours. From Monday to Friday we are open "
    "from nine to six, and on Saturday until one. Right. There are four doctors here, and two of them speak Spanish."
)
RATE = AudioFormat(Encoding.PCM16, 16_000)
Cancels = Literal["off", "auto", "on"]


@cache
def models(cancels: Cancels) -> Models:
    return Models(took_s=0.06, cancels=cancels)


@cache
def command() -> Samples:
    """ "Go forward ten meters", by a man."""
    return Resampler(16_000, HZ).process(clip("ps_goforward.wav").read(), last=True)


def over_the_agent(cancels: Cancels, *, says: Samples | None, seconds: float = 12.0) -> list[str]:
    """What was recognised of the turns that came, when somebody says that after four seconds, or nobody anything."""
    loaded, turns = models(cancels), list[str]()

    async def story(stage: Stage) -> None:
        caller = Caller(stage, Room(Acoustics(15)))
        stage.wire.say("response.create")
        for step in range(int(seconds * 50)):
            if step == 200 and says is not None:
                caller.room.say(says)
            await caller.step()
            turns.extend(
                event["transcript"]
                for event in caller.news
                if event["type"] == "conversation.item.input_audio_transcription.completed"
            )

    play(lambda: loaded.stage(TALK, voice=True), story)
    return turns


def talking(now: float = 0.0) -> AudibleVoice:
    """A voice that is being heard."""
    voice = AudibleVoice(lambda: now)
    way_out = Outbound(
        lead_ms=400, chunk_ms=100, max_queued_audio_s=60.0, max_unsent_bytes=1 << 20, on_overflow=lambda: None
    )
    way_out.audible = voice
    stream = way_out.output(RATE, lambda: None)
    stream.audio_nowait(Response("resp_1", config=SessionConfig(output_format=RATE)), "item_1", bytes(6400))
    stream.commit()
    while way_out.take(now) is not None:
        pass
    return voice


@virtual
async def test_nothing_is_taken_out_before_an_echo_was_heard_and_from_then_on_it_is() -> None:
    heard = False
    path = EchoPath(talking(), ConfigInForce(SessionConfig()), is_always=False, heard_echo=lambda: heard)
    assert path.played(160) is None
    heard = True
    assert path.played(160) is not None
    heard = False  # what is taken out is not heard
    assert path.played(160) is not None


@virtual
async def test_nothing_is_taken_out_of_what_a_client_has_cleaned() -> None:
    config = ConfigInForce(SessionConfig(echo_cancelled=True))
    path = EchoPath(talking(), config, is_always=True, heard_echo=lambda: True)
    assert path.played(160) is None
    config.current = SessionConfig()
    assert path.played(160) is not None


@pytest.mark.models
def test_who_is_as_soft_as_the_echo_is_understood_where_it_is_taken_out() -> None:
    softly = (command() * 0.25).astype(np.int16)
    assert over_the_agent("off", says=softly) == []
    assert "meters" in " ".join(over_the_agent("on", says=softly)).lower()


@pytest.mark.models
@pytest.mark.parametrize("cancels", ["auto", "on"])
def test_the_echo_alone_is_no_turn(cancels: Cancels) -> None:
    assert over_the_agent(cancels, says=None) == []
