"""Whole conversations in virtual time, against golden traces and against what must hold in every one of them.

A trace that is meant to change is written anew with `UPDATE_STORIES=1 scripts/test tests/server/test_stories.py`;
then read it.
"""

import os
from functools import cache
from pathlib import Path

import pytest

from tests.server.stories import STORIES
from tests.support.theatre import Told, perform
from tests.support.trace_checker import check_trace

GOLDEN = Path(__file__).parents[1] / "data" / "stories"
UPDATE = bool(os.environ.get("UPDATE_STORIES"))


@cache
def told(name: str) -> Told:
    return perform(STORIES[name])


def page(name: str) -> str:
    lines = [f"# {name}", ""]
    for say in STORIES[name].says:
        what = f"{say.words!r}" if say.words else f"({say.sound})"
        lines.append(f"{say.start_s:6.2f}  person until {say.end_s:.2f}: {what}")
    lines += ["", *told(name).lines, ""]
    lines += [f"{role}: {content}" for role, content in told(name).context]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", STORIES)
def test_the_story_goes_as_it_went(name: str) -> None:
    path = GOLDEN / f"{name.replace(' ', '_')}.txt"
    if UPDATE:
        path.write_text(page(name))
    assert page(name) == path.read_text()


@pytest.mark.parametrize("name", STORIES)
def test_the_order_of_events_is_the_protocols(name: str) -> None:
    check_trace([event for _, event in told(name).events], ended=False)


@pytest.mark.parametrize("name", STORIES)
def test_no_turn_is_answered_twice(name: str) -> None:
    events = [event["type"] for _, event in told(name).events]
    wanted = events.count("input_audio_buffer.committed")
    asked = sum(deed.type == "response.create" for deed in STORIES[name].does)
    assert events.count("response.created") <= wanted + asked


@pytest.mark.parametrize("name", STORIES)
def test_no_audio_of_a_reply_comes_after_its_end(name: str) -> None:
    over: set[str] = set()
    for _, event in told(name).events:
        if event["type"] == "response.done":
            over.add(event["response"]["id"])
        elif event["type"] == "response.output_audio.delta":
            assert event["response_id"] not in over


@pytest.mark.parametrize("name", STORIES)
def test_the_voice_that_was_held_is_let_go(name: str) -> None:
    kinds = [event["type"] for _, event in told(name).events]
    held = [kind for kind in kinds if kind in ("x_duck", "x_pause", "x_resume", "response.done")]
    if held:
        assert held[-1] in ("x_resume", "response.done")


def test_no_golden_trace_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {name.replace(" ", "_") for name in STORIES}
