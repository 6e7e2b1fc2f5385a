"""What an event weighs."""

import pytest

from server.domain.events import AudioCleared, Event, ItemAdded, ItemDone, ResponseText
from server.domain.values import Item, Part, Response
from server.domain.voice_events import ArtifactMade, Pong, StageEventTold
from server.output.weight import EVENT_BYTES, weight_bytes

ITEM = Item("item_1", "user", "hello", parts=(Part("audio", transcript="hi"),))


@pytest.mark.parametrize(
    ("event", "beside"),
    [
        (AudioCleared(), 0),
        (Pong(), 0),
        (ResponseText(Response("resp_1"), "item_1", "four"), 4),
        (ItemAdded(ITEM, None), 7),
        (ItemDone(ITEM, None), 7),
        (StageEventTold("stt", "seen", '{"a":1}'), 7),
        (ArtifactMade("stt", "seen", '{"a":1}'), 7),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_text_weighs_what_it_is_long(event: Event, beside: int) -> None:
    assert weight_bytes(event) == EVENT_BYTES + beside
