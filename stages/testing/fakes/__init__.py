"""The three providers by script: they hear, answer and speak what they are told, as badly as they are told.

Deterministic and cheap, so that tests, load measurements and demonstrations run without a model. What each
says is a script, one entry a call, begun again at its end; how it behaves is a `Conduct`. Like real providers
they are shared by all sessions: a script of more than one entry goes to whoever asks next.
"""

from stages.testing.fakes.language import EchoModel, EchoSettings, Request, Said, ScriptedModel
from stages.testing.fakes.recognition import (
    Heard,
    ScriptedRecogniser,
    ScriptedRecogniserSettings,
    ScriptedTurnEnds,
)
from stages.testing.fakes.script import Conduct
from stages.testing.fakes.speech import ScriptedVoice, ScriptedVoiceSettings, SpeechRequest

__all__ = [
    "Conduct",
    "EchoModel",
    "EchoSettings",
    "Heard",
    "Request",
    "Said",
    "ScriptedModel",
    "ScriptedRecogniser",
    "ScriptedRecogniserSettings",
    "ScriptedTurnEnds",
    "ScriptedVoice",
    "ScriptedVoiceSettings",
    "SpeechRequest",
]
