"""An address is taken as people have it: from the server's first lines, or as the protocol wants it."""

import pytest

from server.client.address import session_url
from server.domain.errors import ServerError


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("ws://127.0.0.1:8080/v1/realtime", "ws://127.0.0.1:8080/v1/realtime"),
        ("http://127.0.0.1:8080/", "ws://127.0.0.1:8080/v1/realtime"),
        ("127.0.0.1:8080", "ws://127.0.0.1:8080/v1/realtime"),
        ("[::1]:8080", "ws://[::1]:8080/v1/realtime"),
        ("https://voice.example", "wss://voice.example/v1/realtime"),
        ("wss://[::1]:8443?model=default", "wss://[::1]:8443/v1/realtime?model=default"),
        ("http://127.0.0.1/openai/v1/realtime#top", "ws://127.0.0.1/openai/v1/realtime"),
    ],
)
def test_the_address_of_sessions_is_made_of_what_is_given(text: str, url: str) -> None:
    assert session_url(text) == url


@pytest.mark.parametrize("text", ["", "localhost", "ftp://x/", "ws://", "ws://x:99999/", "http://[::1"])
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ServerError, match="is not the address of a server, such as ws://"):
        session_url(text)
