"""Sessions that are recorded and replayed: the same events, bit by bit, in whatever conversation."""

import os
from collections.abc import Awaitable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings

from server.journal.door import Door
from server.journal.file import read_journal
from server.journal.replaying import Replayed, replay
from tests.server.session.stories import STORIES
from tests.server.session.test_stories import requests_over
from tests.support.recorded import check_goes_as_it_went, converse_on, record_stage
from tests.support.theatre import Story, stage_of, tell

MORE = int(os.environ.get("REPLAYS", "0"))
"""So many random conversations, and all stories: `REPLAYS=200 scripts/test tests/server/journal --timeout 0`."""


def record(story: Story, path: Path) -> None:
    """Play a story in virtual time, and record it."""
    record_stage(partial(stage_of, story), partial(tell, story), path)


def converse(story: Story, door: Door) -> Awaitable[None]:
    return converse_on(partial(stage_of, story), door)


def again(story: Story, path: Path) -> Replayed:
    return replay(read_journal(path), partial(converse, story))


TOLD = (
    "three pauses are one turn",
    "a recogniser that fails is apologised for",
    "going on after a false end joins the words",
    "an interruption during a tool call",
    "the voice does not stop when told to",
    "an early end that the recogniser takes back is none",
)
"""Of the stories: what the random ones do not have."""


@pytest.mark.parametrize("name", STORIES if MORE else TOLD)
def test_a_story_is_replayed_bit_by_bit(name: str, tmp_path: Path) -> None:
    record(STORIES[name], tmp_path / "a")
    check_goes_as_it_went(again(STORIES[name], tmp_path / "a"))


@pytest.mark.no_cover
@settings(
    max_examples=MORE or 5,
    suppress_health_check=[HealthCheck.too_slow],
    deadline=None,
)
@given(story=requests_over())
def test_any_conversation_is_replayed_bit_by_bit(story: Story) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        record(story, path)
        check_goes_as_it_went(again(story, path))
