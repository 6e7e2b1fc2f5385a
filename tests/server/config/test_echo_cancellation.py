"""The setting `echo_cancellation`: off unless it is chosen, and then with the package that it needs."""

import sys

import pytest
from pydantic import ValidationError

from audio.echo import PACKAGE
from server.config.agents import Agent, Crew
from server.config.providers import Providers
from server.config.settings import Settings
from server.config.sources import SessionSources
from stages.testing.fakes import ScriptedModel, ScriptedRecogniser, ScriptedVoice


def sources(settings: Settings) -> SessionSources:
    providers = Providers(
        ScriptedRecogniser("hello"), ScriptedModel("hello"), ScriptedVoice(), ("ear", "a", "voice")
    )
    return SessionSources.of(settings, providers, Crew((Agent(name="a"),)))


def test_it_is_off_by_default() -> None:
    assert sources(Settings()).services.echo_cancellation is None


def test_it_begins_with_an_echo_or_at_once() -> None:
    for chosen, is_always in (("auto", False), ("on", True)):
        found = sources(Settings(echo_cancellation=chosen)).services.echo_cancellation
        assert found is not None
        assert found.is_always is is_always


@pytest.mark.parametrize("chosen", ["auto", "on"])
def test_without_its_package_it_names_the_extra(monkeypatch: pytest.MonkeyPatch, chosen: str) -> None:
    monkeypatch.setitem(sys.modules, PACKAGE, None)  # as if it were not installed
    assert Settings(echo_cancellation="off").echo_cancellation == "off"
    with pytest.raises(ValidationError, match=r"stageflow-voice\[echo\]"):
        Settings(echo_cancellation=chosen)
