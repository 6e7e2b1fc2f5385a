"""Fakes of Cartesia's services: Ink (`/stt/websocket`), Ink with turns (`/stt/turns/websocket`) and Sonic
(`/tts/websocket`)."""

from stages.testing.servers.cartesia.access import KEY
from stages.testing.servers.cartesia.ink import FakeInk
from stages.testing.servers.cartesia.ink_turns import FakeInkTurns
from stages.testing.servers.cartesia.sonic import FakeSonic

__all__ = [
    "KEY",
    "FakeInk",
    "FakeInkTurns",
    "FakeSonic",
]
