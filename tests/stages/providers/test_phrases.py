"""Adapters that say they listen for phrases send them, however many there are; and no more than their service takes."""

from typing import Any

import pytest
from pydantic import SecretStr

from stages.ports import RecogniserCapabilities
from stages.providers.deepgram.nova import DeepgramNova, NovaSettings
from stages.providers.keyterms import keyterms
from stages.testing.phrase_checks import check_phrases_are_sent
from stages.testing.servers.coded import CodedWords
from tests.support.adapter_turns import provider_of, session_of
from tests.support.adapters import ADAPTERS, Adapter
from tests.support.hosted import SENTENCE

EARS = [one for one in ADAPTERS if one.kind in ("stt", "turns")]
TAKE_NONE = {"wyoming"}
"""Their protocol has no place for phrases."""


@pytest.mark.parametrize("adapter", EARS, ids=lambda adapter: f"{adapter.kind} {adapter.name}")
async def test_phrases_reach_the_service_of_each_adapter_that_takes_them(adapter: Adapter) -> None:
    async with adapter.serve(adapter.fake()) as server:
        url = getattr(server, "uri", None) or server.url
        async with provider_of(adapter, url) as provider:
            able: RecogniserCapabilities = provider.capabilities
            assert able.phrases == (adapter.name not in TAKE_NONE)
            async with session_of(provider) as ear:
                if able.phrases:
                    speech = CodedWords(SENTENCE, rate_hz=ear.rate_hz).samples()
                    await check_phrases_are_sent(ear, speech, lambda: everything(server))


def everything(server: Any) -> str:
    """All that a fake was sent."""
    if hasattr(server, "asked"):
        return repr([one.body for one in server.asked])
    return repr([one.query for one in server.openings] + [frame.message for frame in server.sent()])


@pytest.mark.parametrize(
    ("terms", "limits", "taken"),
    [
        (("a", "b", "a", " "), {}, ("a", "b")),
        (("Anna \n Kowalski",), {}, ("Anna Kowalski",)),
        (("a", "b", "c"), {"most": 2}, ("a", "b")),
        (("long", "ab"), {"chars": 3}, ("ab",)),
        (("abcd", "efgh", "ij"), {"in_all": 6}, ("abcd", "ij")),
        (("漢字", "ab"), {"in_all": 5}, ("ab",)),
    ],
)
def test_no_more_is_sent_than_a_service_takes(
    terms: tuple[str, ...], limits: dict[str, int], taken: tuple[str, ...]
) -> None:
    assert keyterms(terms, **limits) == taken


@pytest.mark.parametrize(
    ("model", "takes"), [("nova-3", True), ("nova-3-medical", True), ("nova-2", False), ("nova", False)]
)
def test_models_before_nova_3_say_that_they_listen_for_no_words(model: str, takes: bool) -> None:
    nova = DeepgramNova(NovaSettings(api_key=SecretStr("key"), model=model))
    assert nova.capabilities.phrases is takes
