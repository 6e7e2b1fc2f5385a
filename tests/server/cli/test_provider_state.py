"""How the providers of a running server do, as `providers --url` shows it."""

import pytest

from server.cli.provider_state import fetch, lines_of
from server.telemetry.metrics import Metrics
from stages.errors import ErrorKind, ProviderError
from stages.providers.calls import ProviderCall
from stages.providers.failover.model import FailoverModel
from stages.providers.registry import ProviderFault
from stages.testing.fakes import Conduct, Said, ScriptedModel
from stages.testing.virtual_time import virtual


@virtual
async def test_a_line_a_provider_with_breaker_calls_times_errors_and_use() -> None:
    fails = Said("", conduct=Conduct(fails=lambda words: ProviderError(words, kind=ErrorKind.AUTH)))
    model = FailoverModel.of({"state-a": ScriptedModel(fails), "state-b": ScriptedModel("Yes.")})
    async for _ in model.stream(()):
        pass
    call = ProviderCall(("tts", "state-c"))
    call.begins()
    call.first()
    call.audio(12.3)
    lines = list(lines_of(Metrics(lambda: 0).page()))
    [first] = [line for line in lines if "state-a" in line and "took over" not in line]
    assert first.split()[:3] == ["llm", "state-a", "open"]
    assert first.endswith("1 call; 0 tokens; errors: 1 auth")
    [second] = [line for line in lines if "state-b" in line and "took over" not in line]
    assert second.split()[2] == "closed"
    assert "p50 0.00 s; p95 0.00 s" in second
    [voice] = [line for line in lines if "state-c" in line]
    assert voice.split()[2] == "-"
    assert "mean 0.00 s; 12 s audio; no errors" in voice
    assert "llm: state-b took over from state-a 1 time" in lines


def test_before_the_first_call_it_says_so() -> None:
    assert list(lines_of("")) == ["no provider has been called yet"]


@pytest.mark.parametrize(
    ("url", "words"), [("ftp://x", "no address"), ("127.0.0.1:9", r"cannot be reached: \[Errno")]
)
def test_a_server_that_cannot_be_asked_is_told(url: str, words: str) -> None:
    with pytest.raises(ProviderFault, match=words):
        fetch(url, None)
