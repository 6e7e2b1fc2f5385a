"""For people who write providers and stages: scripted providers, and the contract that every provider keeps."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stages.testing.suites import (
        DetectorContract,
        ModelContract,
        PipelineContract,
        RecogniserContract,
        StageContract,
        TurnEndContract,
        TurnRecogniserContract,
        UtteranceContract,
        VoiceContract,
    )

__all__ = [
    "DetectorContract",
    "ModelContract",
    "PipelineContract",
    "RecogniserContract",
    "StageContract",
    "TurnEndContract",
    "TurnRecogniserContract",
    "UtteranceContract",
    "VoiceContract",
]


def __getattr__(name: str) -> Any:
    """A contract, imported when it is asked for: the scripted providers do without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("stages.testing.suites"), name)
