"""For people who write providers and stages: scripted providers, and the contract that every provider keeps."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stages.testing.part_suites import PipelineContract, StageContract, ToolContract
    from stages.testing.suites import (
        DetectorContract,
        ModelContract,
        RecogniserContract,
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
    "ToolContract",
    "TurnEndContract",
    "TurnRecogniserContract",
    "UtteranceContract",
    "VoiceContract",
]
_PARTS = ("PipelineContract", "StageContract", "ToolContract")


def __getattr__(name: str) -> Any:
    """A contract, imported when it is asked for: the scripted providers do without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"stages.testing.{'part_suites' if name in _PARTS else 'suites'}"), name)
