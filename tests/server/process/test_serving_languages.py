"""What a start says where the agent does not speak what is spoken."""

import pytest

from server.process.serving import foreign_to
from stages.demo.agent import DemoAgent
from stages.testing.fakes import ScriptedModel


@pytest.mark.parametrize(
    ("languages", "named"), [(("es",), "Spanish"), (("en", "de", "it"), "German or Italian"), (("en",), "")]
)
def test_the_scripted_agent_speaks_english_alone(languages: tuple[str, ...], named: str) -> None:
    assert foreign_to(DemoAgent, languages) == named


def test_a_chat_model_may_speak_any() -> None:
    assert foreign_to(ScriptedModel(), ("es", "fr")) == ""
