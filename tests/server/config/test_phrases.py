"""Words of the operator's: of the server and of all agents, and a recogniser that listens for none is logged."""

import pytest

from server.config.agents import Agent, Crew, Route
from server.config.providers import Providers
from server.config.settings import Settings
from server.config.sources import SessionSources
from stages.testing.fakes import ScriptedModel, ScriptedRecogniser, ScriptedVoice


@pytest.mark.parametrize(("takes", "warned"), [(True, 0), (False, 1)])
def test_they_are_collected_and_what_changes_nothing_is_said(
    takes: bool, warned: int, caplog: pytest.LogCaptureFixture
) -> None:
    recogniser, model, voice = ScriptedRecogniser("hello"), ScriptedModel(), ScriptedVoice()
    providers = Providers(recogniser, model, voice, ("ear", "agent", "voice"), takes_phrases=takes)
    crew = Crew(
        (Agent(name="a", phrases=("Zap", "DAHDI")), Agent(name="b", phrases=("Tegel",))),
        (Route(agent="a"), Route(agent="b")),
    )
    sources = SessionSources.of(Settings(phrases=(" DAHDI", "")), providers, crew)
    assert sources.services.phrases == ("DAHDI", "Zap", "Tegel")
    assert sources.abilities.takes_phrases is takes
    assert sum("phrases: the recogniser" in record.getMessage() for record in caplog.records) == warned


def test_more_than_a_recogniser_is_told_is_said(caplog: pytest.LogCaptureFixture) -> None:
    recogniser, model, voice = ScriptedRecogniser("hello"), ScriptedModel(), ScriptedVoice()
    agents = [Agent(name=name, phrases=tuple(f"{name} {number}" for number in range(60))) for name in "ab"]
    crew = Crew(tuple(agents), (Route(agent="a"), Route(agent="b")))
    SessionSources.of(Settings(), Providers(recogniser, model, voice, ("ear", "agent", "voice")), crew)
    assert "is told 100, and the server and its agents have 120" in caplog.text
