"""Client secrets: who has one gets in for a while, with the session that was ordered."""

import json
import re

import pytest

from server.dialects.realtime.dialect import RealtimeDialect
from server.dialects.realtime.secrets import read_order, render_secret
from server.domain.commands import AddItem, Configure, CreateResponse
from server.domain.errors import ClientError
from server.domain.events import SessionStarted
from server.domain.values import SessionConfig
from server.gateway.door.client_secrets import KEPT_BYTES, ClientSecrets

DEFAULTS = SessionConfig(instructions="Be kind.")


# --- the store --------------------------------------------------------------------------------------------


def test_a_secret_opens_what_was_ordered_until_it_expires() -> None:
    secrets = ClientSecrets[str]()
    value = secrets.add("one", 600, now=100.0)
    other = secrets.add("two", 10, now=100.0)
    assert re.fullmatch(r"ek_[A-Za-z0-9_-]{43}", value)
    assert (secrets.find(value, 699.9), secrets.find(other, 109.9)) == ("one", "two")
    assert secrets.find(value, 700.0) is None
    assert secrets.find(other, 110.0) is None


@pytest.mark.parametrize("wrong", [None, "", "ek_", "ek_é\udce9", "x" * 100_000])
def test_any_other_value_opens_nothing(wrong: str | None) -> None:
    secrets = ClientSecrets[str]()
    value = secrets.add("one", 600, now=0.0)
    assert secrets.find(wrong, 1.0) is None
    assert secrets.find(value[:-1], 1.0) is None
    assert secrets.find(value + "x", 1.0) is None


def test_the_store_is_bounded_and_forgets_what_has_expired() -> None:
    secrets = ClientSecrets[int](3 * KEPT_BYTES)
    for number in range(3):
        secrets.add(number, 10 + number, now=0.0)
    with pytest.raises(ClientError) as caught:
        secrets.add(3, 10, now=5.0)
    assert (caught.value.code, caught.value.blame) == ("too_many_client_secrets", "limit")
    kept = secrets.add(3, 10, now=10.5)
    assert (len(secrets), secrets.find(kept, 11.0)) == (3, 3)


def test_who_orders_too_many_takes_none_from_another() -> None:
    secrets = ClientSecrets[int](2 * KEPT_BYTES)
    for number in range(2):
        secrets.add(number, 60, now=0.0, owner="greedy")
    with pytest.raises(ClientError):
        secrets.add(2, 60, now=1.0, owner="greedy")
    modest = secrets.add(3, 60, now=1.0, owner="modest")
    assert secrets.find(modest, 2.0) == 3


def test_what_a_secret_pins_counts_and_a_secret_learnt_again_does_not() -> None:
    secrets = ClientSecrets[int](3 * KEPT_BYTES)
    secrets.add(0, 60, now=0.0, size_bytes=KEPT_BYTES)
    with pytest.raises(ClientError):
        secrets.add(1, 60, now=0.0, size_bytes=KEPT_BYTES)
    for again in range(5):
        secrets.keep("ek_learnt", again, 10 + again, now=0.0, owner="")
    assert secrets.find("ek_learnt", 13.0) == 4
    with pytest.raises(ClientError):
        secrets.add(1, 60, now=13.0)
    assert secrets.add(1, 60, now=14.0)


def test_a_thousand_secrets_that_pin_60_kb_are_no_end() -> None:
    secrets = ClientSecrets[int]()
    for number in range(1_100):
        secrets.add(number, 7_200, now=0.0, size_bytes=60_000)
    assert len(secrets) == 1_100


# --- the order --------------------------------------------------------------------------------------------


def order(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize("body", [b"", b"{}", b'{"session": {"type": "realtime"}}'])
def test_an_empty_order_is_for_a_session_as_the_server_has_it(body: bytes) -> None:
    found = read_order(body, DEFAULTS)
    assert (found.pinned.session.config, found.pinned.locked, found.lifetime_s) == (DEFAULTS, (), 600)


def test_the_answer_shows_the_session_that_the_secret_opens() -> None:
    body = order(
        expires_after={"anchor": "created_at", "seconds": 60},
        session={"type": "realtime", "model": "concierge", "audio": {"output": {"voice": "marin"}}},
        x_locked=["instructions"],
    )
    shown = render_secret("ek_1", read_order(body, DEFAULTS), 1_790_000_060)
    assert (shown["value"], shown["expires_at"], shown["x_locked"]) == (
        "ek_1",
        1_790_000_060,
        ["instructions"],
    )
    session = json.loads(json.dumps(shown["session"]))
    assert session["object"] == "realtime.session"
    assert session["model"] == "concierge"
    assert session["audio"]["output"]["voice"] == "marin"
    assert session["instructions"] == "Be kind."


def test_an_order_with_half_an_emoji_is_read() -> None:
    found = read_order(b'{"session": {"instructions": "Smile \\ud83d"}}', DEFAULTS)
    assert found.pinned.session.config.instructions == "Smile \ufffd"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"not json", None),
        (b"[]", None),
        (b"\xff", None),
        (order(expires_after={"seconds": 9}), "expires_after.seconds"),
        (order(expires_after={"seconds": 7201}), "expires_after.seconds"),
        (order(expires_after={"anchor": "now"}), "expires_after.anchor"),
        (order(session={"audio": {"output": {"speed": 9}}}), "session.audio.output.speed"),
        (order(session={"type": "chat"}), "session.type"),
        (order(x_locked=["id"]), "x_locked[0]"),
    ],
)
def test_what_is_wrong_with_an_order_is_said(body: bytes, param: str | None) -> None:
    with pytest.raises(ClientError) as caught:
        read_order(body, DEFAULTS)
    assert caught.value.param == param
    assert caught.value.code in ("invalid_json", "invalid_value")


# --- the session ------------------------------------------------------------------------------------------


def opened(*locked: str, **session: object) -> RealtimeDialect:
    body = order(session={"type": "realtime", **session}, x_locked=locked)
    return RealtimeDialect(DEFAULTS, pinned=read_order(body, DEFAULTS).pinned)


def say(dialect: RealtimeDialect, type: str, **fields: object) -> object:
    return dialect.decode(json.dumps({"type": type, "event_id": "mine", **fields}))


def update(dialect: RealtimeDialect, **session: object) -> object:
    return say(dialect, "session.update", session={"type": "realtime", **session})


def test_the_session_begins_as_it_was_ordered() -> None:
    tools = [{"type": "function", "name": "look", "parameters": {}}]
    dialect = opened(instructions="Sell shoes.", tools=tools)
    (frame,) = dialect.encode(SessionStarted("sess_1", "conv_1", dialect.config, 0))
    session = json.loads(frame)["session"]
    assert (session["instructions"], session["tools"]) == ("Sell shoes.", tools)


def test_what_is_not_locked_can_be_changed_and_null_brings_the_order_back() -> None:
    dialect = opened("audio.output.voice", instructions="Sell shoes.")
    changed = update(dialect, instructions="Sell hats.")
    assert isinstance(changed, Configure)
    assert changed.config.instructions == "Sell hats."
    back = update(dialect, instructions=None)
    assert isinstance(back, Configure)
    assert back.config.instructions == "Sell shoes."


def test_what_is_locked_stays_and_the_error_names_it() -> None:
    dialect = opened("instructions", "tools", "audio.input.turn_detection", instructions="Sell shoes.")
    for fields, param in (
        ({"instructions": "Sell hats."}, "session.instructions"),
        ({"tools": [{"type": "function", "name": "look"}]}, "session.tools"),
        ({"type": "transcription"}, "session.type"),
        ({"audio": {"input": {"turn_detection": None}}}, "session.audio.input.turn_detection"),
    ):
        with pytest.raises(ClientError) as caught:
            update(dialect, **fields)
        assert (caught.value.code, caught.value.param, caught.value.ref) == ("setting_locked", param, "mine")
    assert dialect.config.instructions == "Sell shoes."
    same = update(dialect, instructions="Sell shoes.", max_output_tokens=5)
    assert isinstance(same, Configure), "to say what holds anyway is no change"


def test_replies_and_items_do_not_get_around_a_lock() -> None:
    dialect = opened("instructions", "audio.output.voice", instructions="Sell shoes.")
    system = {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Sell hats."}]}
    for type, fields, param in (
        ("response.create", {"response": {"instructions": "Sell hats."}}, "response.instructions"),
        (
            "response.create",
            {"response": {"audio": {"output": {"voice": "x"}}}},
            "response.audio.output.voice",
        ),
        ("conversation.item.create", {"item": system}, "item.role"),
        ("response.create", {"response": {"input": [system]}}, "response.input[0].role"),
    ):
        with pytest.raises(ClientError) as caught:
            say(dialect, type, **fields)
        assert (caught.value.code, caught.value.param) == ("setting_locked", param)
    assert isinstance(say(dialect, "response.create", response={"max_output_tokens": 5}), CreateResponse)
    assert isinstance(say(opened(), "conversation.item.create", item=system), AddItem)
