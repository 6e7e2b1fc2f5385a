"""What is typed in a terminal becomes keys and lines, and the line below the captions shows how things are."""

import numpy as np
import pytest

from server.client.captions import Captions
from server.client.keys import HELP, TYPING_HELP, Key, Keys
from server.client.panel import Panel


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("mi?x", [Key.MUTE, Key.INTERRUPT, Key.HELP]),
        ("tmimi\nm", ["mimi", Key.MUTE]),
        ("thallp\x7f\x7flo\r", ["hallo"]),
        ("tnever mind\x1bi", [Key.INTERRUPT]),
        ("t \n?", [Key.HELP]),
    ],
)
def test_keys_of_a_terminal(text: str, made: list[Key | str]) -> None:
    assert list(Keys(is_terminal=True).feed(text)) == made


def test_a_line_that_is_typed_is_shown_from_the_key_that_begins_it_and_leaves_nothing_behind() -> None:
    keys, written = Keys(is_terminal=True), list[str]()
    captions = Captions(written.append, 60)
    for key in ("t", "a", "\x7f"):
        assert not list(keys.feed(key))
        assert keys.is_typing
        captions.types(keys.typing or TYPING_HELP)
    assert [line.removeprefix("\r\x1b[K  you: ") for line in written] == [TYPING_HELP, "a", TYPING_HELP]
    assert not list(keys.feed("\x1b"))
    assert not keys.is_typing
    captions.status("▮▯")
    assert written[-1] == "\r\x1b[K       ▮▯"
    assert len(f"       ({HELP})") <= 80, "a line of a terminal"


def test_of_a_pipe_every_line_is_sent_however_it_is_cut() -> None:
    keys = Keys(is_terminal=False)
    assert [line for part in ("mi", "ght\nin", "deed\n") for line in keys.feed(part)] == ["might", "indeed"]


def test_a_muted_microphone_is_silent_and_says_so() -> None:
    panel, loud = Panel(), np.full(480, 16_000, np.int16)
    assert panel.heard(loud) is loud
    assert panel.line == "▮" * 9 + "▯"
    panel.is_muted = True
    assert not panel.heard(loud).any()
    panel.note({"type": "x_metrics", "ms": {"first_audio": 590, "heard": 640}})
    assert panel.line == "muted       last wait 640 ms"


def test_how_things_are_gives_way_to_what_is_said_and_never_covers_it() -> None:
    written: list[str] = []
    captions = Captions(written.append, 40)
    captions.status("▮▯")
    captions.changes("you", "hello")
    captions.status("▮▮")
    captions.stays("you", "hello there")
    assert written == ["\r\x1b[K       ▮▯", "\r\x1b[K  you: hello", "\r\x1b[K  you: hello there\n"]
    Captions(written.append, None).status("▮")
    assert len(written) == 3, "a file has no line that changes"
