"""What happens is taken in one after the other, whatever comes of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from server.turntaking.floor import Floor, FloorLimits
from server.turntaking.floor_table import FloorEvent
from server.turntaking.happened import Happened
from server.turntaking.inbox import FloorInbox

FIRST, SECOND, THIRD = (
    Happened(event)
    for event in (FloorEvent.SPEECH_STARTED, FloorEvent.SPEECH_PAUSED, FloorEvent.SPEECH_ENDED)
)


@dataclass
class Keeper:
    """Does something when it takes the first one in, and notes them all."""

    when_first: Callable[[], None]
    seen: list[Happened] = field(default_factory=list)

    def take_in(self, happened: Happened) -> None:
        if happened is FIRST:
            self.when_first()
        self.seen.append(happened)

    def look_again(self) -> None:
        """There is nothing to say."""


def inbox_of(when_first: Callable[[FloorInbox], None]) -> tuple[FloorInbox, Keeper]:
    inbox = FloorInbox(Floor(FloorLimits()))
    keeper = Keeper(lambda: when_first(inbox))
    inbox.serve(keeper)
    return inbox, keeper


def test_what_comes_of_an_event_is_taken_in_after_it_and_in_order() -> None:
    def brings_two_about(inbox: FloorInbox) -> None:
        inbox.feed(SECOND)
        inbox.feed(THIRD)
        assert inbox.is_waiting

    inbox, keeper = inbox_of(brings_two_about)
    inbox.feed(FIRST)
    assert keeper.seen == [FIRST, SECOND, THIRD]
    assert not inbox.is_waiting


def test_one_that_fails_says_so_once_all_have_been_taken_in() -> None:
    def fails(inbox: FloorInbox) -> None:
        inbox.feed(SECOND)
        raise ValueError("first")

    inbox, keeper = inbox_of(fails)
    with pytest.raises(ValueError, match="first"):
        inbox.feed(FIRST)
    assert keeper.seen == [SECOND]
    inbox.feed(THIRD)
    assert keeper.seen == [SECOND, THIRD]
