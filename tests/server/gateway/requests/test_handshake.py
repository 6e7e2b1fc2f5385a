"""Who may open a session, decided from headers alone."""

import pytest
from websockets.datastructures import Headers

from server.gateway.requests.handshake import (
    is_key_accepted,
    is_local,
    is_origin_allowed,
    presented_key,
    wants_beta_shape,
)

PROTOCOL = "Sec-WebSocket-Protocol"
KEY_OFFER = "realtime, openai-insecure-api-key.from-browser, openai-agents-sdk.0.20.0"


# --- keys -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ([], None),
        ([("Authorization", "Bearer abc")], "abc"),
        ([("authorization", "bearer  abc ")], "abc"),
        ([("Authorization", "Bearer")], ""),
        ([("Authorization", "Basic abc")], None),
        ([("Authorization", "Basic abc"), ("api-key", "azure")], "azure"),
        ([("api-key", " azure ")], "azure"),
        ([(PROTOCOL, KEY_OFFER)], "from-browser"),
        ([(PROTOCOL, "realtime"), (PROTOCOL, "openai-insecure-api-key.second")], "second"),
        ([(PROTOCOL, "realtime")], None),
        ([(PROTOCOL, KEY_OFFER), ("api-key", "azure")], "azure"),
        ([(PROTOCOL, KEY_OFFER), ("api-key", "azure"), ("Authorization", "Bearer abc")], "abc"),
    ],
)
def test_the_key_is_taken_from_the_first_place_that_has_one(
    headers: list[tuple[str, str]], key: str | None
) -> None:
    assert presented_key(Headers(headers)) == key


@pytest.mark.parametrize(
    ("presented", "keys", "accepted"),
    [
        (None, (), True),
        ("anything", (), True),
        (None, ("a", "b"), False),
        ("", ("a", "b"), False),
        ("a", ("a", "b"), True),
        ("b", ("a", "b"), True),
        ("ab", ("a", "b"), False),
        ("A", ("a",), False),
        ("é\udce9", ("a",), False),
        ("schlüssel", ("schlüssel",), True),
    ],
)
def test_any_configured_key_opens_the_door(
    presented: str | None, keys: tuple[str, ...], accepted: bool
) -> None:
    assert is_key_accepted(presented, keys) is accepted


# --- subprotocols -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "beta"),
    [
        ([], False),
        ([("OpenAI-Beta", "realtime=v1")], True),
        ([("openai-beta", "assistants=v2, realtime=v1")], True),
        ([("OpenAI-Beta", "assistants=v2")], False),
        ([(PROTOCOL, "realtime, openai-beta.realtime-v1")], True),
        ([(PROTOCOL, "realtime")], False),
    ],
)
def test_clients_of_the_beta_are_recognised(headers: list[tuple[str, str]], beta: bool) -> None:
    assert wants_beta_shape(Headers(headers)) is beta


# --- origins ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "host", "allowed_without_keys", "allowed_with_keys"),
    [
        (None, "voice.example", True, True),
        ("http://localhost:3000", "127.0.0.1:8080", True, True),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True, True),
        ("http://[::1]:5173", "127.0.0.1:8080", True, True),
        ("http://192.168.1.5:8080", "192.168.1.5:8080", True, True),
        ("https://voice.example", "voice.example", False, True),  # a name can be pointed at us afterwards
        ("https://Voice.Example:8443", "voice.example:8443", False, True),
        ("https://voice.example:444", "voice.example:8443", False, False),
        ("https://evil.example", "voice.example", False, False),
        ("https://localhost.evil.example", "127.0.0.1:8080", False, False),
        ("null", "127.0.0.1:8080", False, False),
        ("", "", False, False),
        ("http://[::1", "127.0.0.1:8080", False, False),
    ],
)
def test_pages_from_here_may_connect_and_others_may_not(
    origin: str | None, host: str, allowed_without_keys: bool, allowed_with_keys: bool
) -> None:
    headers = Headers([("Host", host)])
    if origin is not None:
        headers["Origin"] = origin
    assert is_origin_allowed(headers, (), has_keys=False) is allowed_without_keys
    assert is_origin_allowed(headers, (), has_keys=True) is allowed_with_keys


def test_configured_origins_may_connect() -> None:
    headers = Headers([("Host", "voice.example"), ("Origin", "https://app.example")])
    assert is_origin_allowed(headers, ("https://app.example",), has_keys=False)
    assert is_origin_allowed(headers, ("*",), has_keys=False)
    assert not is_origin_allowed(headers, ("https://app.example.org",), has_keys=True)


@pytest.mark.parametrize(
    ("origin", "host", "is_same"),
    [
        ("https://voice.example.com", "voice.example.com:443", True),
        ("https://voice.example.com:443", "voice.example.com", True),
        ("http://voice.example.com", "voice.example.com:80", True),
        ("https://VOICE.example.com", "voice.example.com", True),
        ("https://voice.example.com", "voice.example.com:80", False),
        ("http://voice.example.com", "voice.example.com:443", False),
        ("https://voice.example.com:444", "voice.example.com", False),
        ("https://voice.example.com", "voice.example.com:x", False),
        ("https://voice.example.com", "voice.example.com.evil.example", False),
    ],
)
def test_a_port_that_goes_without_saying_changes_no_origin(origin: str, host: str, is_same: bool) -> None:
    headers = Headers([("Host", host), ("Origin", origin)])
    assert is_origin_allowed(headers, (), has_keys=True) is is_same
    elsewhere = Headers([("Host", "127.0.0.1:8080"), ("Origin", origin)])
    assert is_origin_allowed(elsewhere, (f"https://{host}",), has_keys=True) is (
        is_same and origin.startswith("https")
    )


def test_two_origins_or_two_hosts_are_not_trusted() -> None:
    local = ("Origin", "http://localhost")
    assert not is_origin_allowed(Headers([local, local]), (), has_keys=True)
    hosts = [("Host", "a.example"), ("Host", "b.example"), ("Origin", "https://a.example")]
    assert not is_origin_allowed(Headers(hosts), (), has_keys=True)


@pytest.mark.parametrize(
    ("host", "local"),
    [("localhost", True), ("127.8.9.1", True), ("::1", True), ("10.0.0.1", False), ("example", False)],
)
def test_what_is_local(host: str, local: bool) -> None:
    assert is_local(host) is local
