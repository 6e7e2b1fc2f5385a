"""Models are asked once at the start; what is wrong with one is told and costs nobody anything."""

from typing import Any

import pytest

from server.config import warm_up as module
from server.config.warm_up import warm_up
from stages.errors import ProviderRejected
from stages.testing.fakes import Conduct, Said, ScriptedModel


async def test_each_model_is_asked_for_one_token() -> None:
    models = [ScriptedModel("Hello there."), ScriptedModel("Good day.")]
    await warm_up(models)
    assert [request.max_tokens for model in models for request in model.requests] == [1, 1]


async def test_a_model_that_refuses_is_told_of_and_the_others_are_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refuses = ScriptedModel(Said("No.", conduct=Conduct(fails=ProviderRejected)))
    well = ScriptedModel("Hello.")
    await warm_up([refuses, well])
    assert "the language model does not answer: scripted to fail" in caplog.text
    assert len(well.requests) == 1


async def test_a_model_that_hangs_is_told_of(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WARM_UP_S", 0.01)
    await warm_up([ScriptedModel(Said("Hm.", conduct=Conduct(hangs=True)))])
    assert "has not answered within 0.01 s" in caplog.text


async def test_a_model_that_raises_anything_is_named_and_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Acme(ScriptedModel):
        def stream(self, *_: Any, **__: Any) -> Any:
            raise KeyError("of the plug-in")

    well = ScriptedModel("Hello.")
    await warm_up([Acme("Hello."), well])
    assert "test_warm_up" in caplog.text
    assert "Acme raises what is no ProviderError" in caplog.text
    assert len(well.requests) == 1
