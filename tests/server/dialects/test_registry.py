"""Which dialect is spoken where."""

import pytest

from server.dialects.realtime.dialect import RealtimeDialect
from server.dialects.realtime.locks import Pinned
from server.dialects.realtime.session import WireSession
from server.dialects.registry import BUILT_IN, DIALECTS, DialectRoute, DialectTable, OpenedBy, Opening
from server.dialects.voice.dialect import VoiceDialect
from server.domain.values import Abilities, SessionConfig

PATHS = ["/v1/realtime", "/realtime", "/openai/v1/realtime"]
CHOSEN = [
    ([], None),
    (["realtime"], "realtime"),
    (["realtime", "voice.v1"], "voice.v1"),
    (["openai-insecure-api-key.k", "voice.v1"], "voice.v1"),
    (["openai-insecure-api-key.k", "x", "realtime"], "realtime"),
    (["openai-insecure-api-key.k"], None),
    (["Realtime"], None),
]
SPOKEN = {"voice.v1": VoiceDialect, "realtime": RealtimeDialect, None: RealtimeDialect}


@pytest.mark.parametrize(("offered", "chosen"), CHOSEN)
def test_the_richer_one_is_chosen_and_the_key_never_comes_back(
    offered: list[str], chosen: str | None
) -> None:
    assert DIALECTS.choose("/v1/realtime", offered) == chosen


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("subprotocol", SPOKEN)
def test_what_is_spoken_goes_by_path_and_subprotocol(path: str, subprotocol: str | None) -> None:
    route = DIALECTS.find(path, subprotocol)
    assert route is not None
    assert type(route.make(Opening(SessionConfig()))) is SPOKEN[subprotocol]
    assert route.opened_by is OpenedBy.KEY_OR_SECRET


def test_elsewhere_nothing_is_spoken() -> None:
    assert DIALECTS.paths == set(PATHS)
    assert DIALECTS.find("/v1/realtime", "chat") is None
    assert DIALECTS.find("/v1/models", None) is None


def test_a_path_has_its_own_subprotocols_and_the_earlier_route_wins() -> None:
    first, second = BUILT_IN[0], BUILT_IN[1]
    table = DialectTable(
        [
            DialectRoute({"/one", "/both"}, "a", first.make),
            DialectRoute({"/both"}, "a", second.make),
            DialectRoute({"/both"}, "b", second.make),
        ]
    )
    assert table.choose("/one", ["b", "a"]) == "a"
    assert table.choose("/one", ["b"]) is None
    assert table.choose("/both", ["b", "a"]) == "a"
    both = table.find("/both", "a")
    assert both is not None
    assert both.make is first.make
    assert table.find("/one", None) is None, "there is no route for those that offer nothing"


@pytest.mark.parametrize("route", BUILT_IN)
@pytest.mark.parametrize(
    ("query", "model", "purpose"),
    [
        ("", "default", "conversation"),
        ("?model=m&x=1", "m", "conversation"),
        ("?model=a%20b", "a b", "conversation"),
        ("?model=", "default", "conversation"),
        ("?intent=transcription", "default", "transcription"),
        ("?intent=conversation", "default", "conversation"),
    ],
)
def test_the_address_says_what_a_session_begins_with(
    route: DialectRoute, query: str, model: str, purpose: str
) -> None:
    config = route.defaults(SessionConfig(instructions="Be brief."), f"/v1/realtime{query}")
    dialect = route.make(Opening(config))
    assert (dialect.config.model, dialect.config.purpose) == (model, purpose)
    assert dialect.config.instructions == "Be brief."


@pytest.mark.parametrize("route", BUILT_IN)
def test_a_client_secret_fixes_the_session_and_what_changes_nothing_is_known(route: DialectRoute) -> None:
    pinned = Pinned(WireSession(SessionConfig(model="gpt-realtime", instructions="Be brief.")))
    dialect = route.make(Opening(SessionConfig(), Abilities(), pinned=pinned))
    assert dialect.config.instructions == "Be brief."
    assert [setting.param for setting in dialect.ignored] == ["model"]


@pytest.mark.parametrize("route", BUILT_IN)
@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", {}),
        ("?model=default&intent=transcription", {}),
        ("?modle=concierge", {"?modle": "'model'"}),
        ("?sid=any-name", {}),
        ("?voice=alloy&language=de", {"?voice": "session.update", "?language": "session.update"}),
        ("?intent=dictation", {"?intent": "transcription"}),
        ("?" + "&".join(f"key{n}=1" for n in range(100)), dict.fromkeys((f"?key{n}" for n in range(10)), "")),
        ("?model=concierge", {"model": "concierge"}),
    ],
)
def test_what_the_query_of_an_address_asks_for_in_vain_is_known(
    route: DialectRoute, query: str, told: dict[str, str]
) -> None:
    address = f"/v1/realtime{query}"
    dialect = route.make(Opening(route.defaults(SessionConfig(), address), address=address))
    assert [setting.param for setting in dialect.ignored] == list(told)
    assert all(advice in one.message for one, advice in zip(dialect.ignored, told.values(), strict=True))
