"""Fakes of Deepgram's services: Nova (`/v1/listen`), Flux (`/v2/listen`) and Aura (`/v1/speak`)."""

from stages.testing.servers.deepgram.access import KEY
from stages.testing.servers.deepgram.aura import FakeAura
from stages.testing.servers.deepgram.flux import FakeFlux
from stages.testing.servers.deepgram.nova import FakeNova

__all__ = [
    "KEY",
    "FakeAura",
    "FakeFlux",
    "FakeNova",
]
