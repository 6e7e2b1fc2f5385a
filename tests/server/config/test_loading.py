"""Providers are loaded at once; who fails is told, and what the others opened is closed."""

import threading
from typing import Any

import pytest

from server.config.choice import Choice
from server.config.environment import load_settings
from server.config.providers import load_providers
from stages.errors import ModelFileError
from stages.providers.built_in import Kind
from stages.providers.configured import Configured
from stages.providers.registry import NoSettings, Provider
from stages.testing.fakes import ScriptedModel, ScriptedRecogniser, ScriptedVoice
from tests.support.patience import PATIENCE_S


class Meeting:
    """Where all that are made wait for each other: who is made alone waits in vain."""

    def __init__(self, *members: Kind) -> None:
        self._all_here = threading.Barrier(len(members))
        self.members = members
        self.closed: list[str] = []

    def provider(self, kind: Kind, make: Any, error: Exception | None = None) -> Configured:
        meeting = self

        class Made:
            @classmethod
            def from_settings(cls, settings: object) -> Any:
                meeting._all_here.wait(PATIENCE_S)
                if error is not None:
                    raise error
                made = make()
                made.close = lambda: meeting.closed.append(kind)
                return made

        return Configured(Provider(kind, f"meeting_{kind}", Made, "test"), NoSettings(), {})


def settings() -> Any:
    return load_settings({"agent": "scripted"}, env_file=None)


async def test_all_are_loaded_at_once() -> None:
    meeting = Meeting("stt", "llm", "tts")
    choice = Choice(
        {
            "stt": meeting.provider("stt", ScriptedRecogniser),
            "llm": meeting.provider("llm", ScriptedModel),
            "tts": meeting.provider("tts", ScriptedVoice),
        }
    )
    async with load_providers(settings(), lambda _: None, choice) as providers:
        assert isinstance(providers.voice, ScriptedVoice)
        assert meeting.closed == []
    assert sorted(meeting.closed) == ["llm", "stt", "tts"]


async def test_the_first_that_fails_is_told_and_what_the_others_opened_is_closed() -> None:
    meeting = Meeting("stt", "llm", "tts")
    choice = Choice(
        {
            "stt": meeting.provider("stt", ScriptedRecogniser),
            "llm": meeting.provider("llm", ScriptedModel, ModelFileError("no model for llm")),
            "tts": meeting.provider("tts", ScriptedVoice, ModelFileError("no model for tts")),
        }
    )
    with pytest.raises(ModelFileError, match="no model for llm"):
        async with load_providers(settings(), lambda _: None, choice):
            pytest.fail("it was loaded")
    assert meeting.closed == ["stt"]
