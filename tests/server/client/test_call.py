"""What a client at a terminal makes of the server's events and audio: orders to the ring, reports, captions.

The loudspeaker is the test: it reads the ring in blocks, each of which is heard when it is read.
"""

from typing import Any

import numpy as np
import pytest

from server.client.call import Call
from server.client.captions import Captions
from server.client.play_ring import PlayRing
from server.dialects.voice.frames import Stream, pack_frame

RATE_HZ = 1000
LOUD = 8_000


class Terminal:
    """A call, its loudspeaker, and what was printed."""

    def __init__(self, columns: int | None = None) -> None:
        self.ring = PlayRing(RATE_HZ)
        self.printed: list[str] = []
        self.call = Call(self.ring, Captions(self.printed.append, columns))
        self.now_s = 0.0
        self.reports: list[tuple[str, int]] = []

    def told(self, type: str, **fields: Any) -> None:
        self.call.obey({"type": type, **fields})

    def begin(self, item_id: str, text: str = "") -> None:
        self.told("response.output_item.added", item={"id": item_id, "type": "message"})
        if text:
            self.told("response.output_audio_transcript.delta", item_id=item_id, delta=text)

    def words(self, item_id: str, *words: tuple[str, int, int]) -> None:
        keys = ("text", "start_sample", "end_sample")
        self.told("x_words", item_id=item_id, words=[dict(zip(keys, word, strict=True)) for word in words])

    def audio(self, offset: int, count: int, *, epoch: int = 0, value: int = LOUD) -> None:
        data = np.full(count, value, "<i2").tobytes()
        self.call.hear(pack_frame(Stream.ANSWER, epoch, offset, data))

    def play(self, ms: int) -> list[int]:
        """Let time pass in steps of 10 ms; what was heard meanwhile."""
        heard: list[int] = []
        for _ in range(0, ms, 10):
            out = np.zeros(10, np.int16)
            self.ring.read(out, self.now_s)
            self.now_s += 0.01
            heard += out.tolist()
            report = self.call.move(self.now_s)
            if report is not None:
                assert report["type"] == "x_playback"
                self.reports.append((report["item_id"], report["played_samples"]))
        return heard


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def test_an_answer_is_played_reported_and_printed(terminal: Terminal) -> None:
    terminal.begin("a", "It is noon.")
    for offset in range(0, 400, 100):
        terminal.audio(offset, 100)
    terminal.told("response.output_audio.done", item_id="a")
    assert terminal.play(450)[:400] == [LOUD] * 400
    assert terminal.reports == [("a", 10), ("a", 160), ("a", 310), ("a", 400)]
    assert terminal.printed == ["agent: It is noon.\n"]
    assert terminal.ring.underruns == 0
    terminal.play(500)
    assert len(terminal.reports) == 4, "nothing is played, and nothing said"


def test_an_answer_that_is_flushed_is_silent_and_reported_once_to_the_sample(terminal: Terminal) -> None:
    terminal.begin("a", "One two three.")
    terminal.words("a", ("One", 10, 100), (" two", 110, 205), (" three.", 206, 300))
    terminal.audio(0, 500)
    terminal.play(200)
    terminal.reports.clear()
    terminal.told("x_flush", epoch=1)
    assert terminal.play(300)[8:] == [0] * 292
    assert terminal.reports == [("a", terminal.ring.cut_at)]
    assert terminal.ring.cut_at in (207, 208)
    assert terminal.printed == ["agent: One two –\n"]


def test_frames_of_an_older_epoch_are_not_heard(terminal: Terminal) -> None:
    terminal.told("x_flush", epoch=2)
    terminal.begin("a")
    terminal.audio(0, 20, epoch=1)
    terminal.audio(0, 20, epoch=2, value=99)
    assert terminal.play(30) == [99] * 20 + [0] * 10


def test_an_answer_after_a_flush_is_reported_by_its_own_samples(terminal: Terminal) -> None:
    terminal.begin("a", "One two.")
    terminal.audio(0, 300)
    terminal.play(50)
    terminal.told("x_flush", epoch=1)
    terminal.begin("b", "Yes?")
    terminal.audio(0, 100, epoch=1)
    terminal.told("response.output_audio.done", item_id="b")
    terminal.reports.clear()
    terminal.play(300)
    cut = dict(terminal.reports)["a"]
    assert cut in (57, 58)
    assert [samples for item, samples in terminal.reports if item == "b"][-1] == 100
    assert terminal.printed[-1] == "agent: Yes?\n"


def test_a_second_flush_does_not_change_what_was_heard_of_the_first_answer(terminal: Terminal) -> None:
    terminal.begin("a", "One two.")
    terminal.audio(0, 300)
    terminal.play(50)
    terminal.told("x_flush", epoch=1)
    out = np.zeros(10, np.int16)
    terminal.ring.read(out, terminal.now_s + 0.2)  # a loudspeaker that is late: not heard yet
    terminal.begin("b", "Yes?")
    terminal.audio(0, 100, epoch=1)
    terminal.told("x_flush", epoch=2)
    terminal.now_s += 0.3
    terminal.reports.clear()
    terminal.play(100)
    assert dict(terminal.reports)["a"] in (57, 58)
    assert dict(terminal.reports)["b"] == 0


def test_an_answer_that_was_flushed_before_its_first_sample_was_not_heard(terminal: Terminal) -> None:
    terminal.begin("a", "One two.")
    terminal.told("x_flush", epoch=1)
    terminal.play(20)
    assert terminal.reports == [("a", 0)]
    assert terminal.printed == []


def test_a_held_voice_waits_and_goes_on(terminal: Terminal) -> None:
    terminal.begin("a", "One two.")
    terminal.audio(0, 400)
    terminal.told("x_duck")
    assert terminal.play(100)[-1] == LOUD // 4
    terminal.told("x_pause")
    assert terminal.play(200)[30:] == [0] * 170
    terminal.told("x_resume")
    assert terminal.play(200)[-1] == LOUD


def test_a_full_ring_refuses_and_what_is_said_of_later_frames_is_still_true(terminal: Terminal) -> None:
    terminal.begin("a", "One two.")
    terminal.audio(0, 9_990)
    terminal.audio(9_990, 20)  # lost
    terminal.play(100)
    terminal.audio(10_010, 20)
    terminal.told("response.output_audio.done", item_id="a")
    terminal.play(9_950)
    assert terminal.reports[-1] == ("a", 10_030)


def test_both_sides_words_are_printed_and_noise_is_not(terminal: Terminal) -> None:
    transcription = "conversation.item.input_audio_transcription"
    for item_id, words in (("1", "what time is it"), ("2", "")):
        terminal.told("input_audio_buffer.speech_started", item_id=item_id)
        terminal.told(f"{transcription}.delta", item_id=item_id, delta=words)
        terminal.told(f"{transcription}.completed", item_id=item_id, transcript=words)
    terminal.begin("a")
    terminal.told("response.output_text.delta", item_id="a", delta="In writing.")
    terminal.told("response.output_text.done", item_id="a")
    failed = {"status": "failed", "status_details": {"error": {"message": "stage 'tts' failed"}}}
    terminal.told("response.done", response=failed)
    terminal.told("error", error={"message": "speed: must be less"})
    terminal.told("rate_limits.updated")
    assert terminal.printed == [
        "  you: what time is it\n",
        "agent: In writing.\n",
        "       (the answer failed: stage 'tts' failed)\n",
        "       (error: speed: must be less)\n",
    ]


def test_a_word_shows_when_it_begins_and_a_cut_answer_keeps_those_that_ended() -> None:
    terminal = Terminal(columns=80)
    terminal.begin("a", "One two three.")
    terminal.words("a", ("One", 10, 100))
    terminal.audio(0, 500)
    terminal.words("a", (" two", 110, 200), (" three.", 210, 300))
    for until_ms, words in ((10, None), (20, "One"), (110, None), (120, "One two"), (240, "One two three.")):
        terminal.printed.clear()
        terminal.play(until_ms - round(terminal.now_s * 1000))
        assert terminal.printed == ([] if words is None else [f"\r\x1b[Kagent: {words}"])
    terminal.printed.clear()
    terminal.told("x_flush", epoch=1)
    terminal.play(100)
    assert terminal.printed == ["\r\x1b[Kagent: One two –\n"]


def test_of_an_answer_that_fails_midway_only_what_had_a_voice_is_printed(terminal: Terminal) -> None:
    terminal.begin("a", "One two. And then")
    terminal.words("a", ("One", 10, 100), (" two.", 110, 200))
    terminal.audio(0, 200)
    terminal.told("response.output_audio.done", item_id="a")
    terminal.told("response.output_item.done", item={"id": "a", "status": "incomplete"})
    terminal.begin("b", "Sorry.")
    terminal.words("b", ("Sorry.", 10, 90))
    terminal.audio(0, 100)
    terminal.told("response.output_audio.done", item_id="b")
    terminal.told("response.output_item.done", item={"id": "b", "status": "incomplete"})
    terminal.play(350)
    assert terminal.printed == ["agent: One two.\n", "agent: Sorry.\n"]
    assert [report for report in terminal.reports if report[1] in (100, 200)] == [("a", 200), ("b", 100)]


# --- captions -----------------------------------------------------------------------------------------------


def test_on_a_terminal_the_line_that_changes_is_written_again_and_fits() -> None:
    printed: list[str] = []
    captions = Captions(printed.append, columns=20)
    captions.changes("you", "what")
    captions.changes("you", "what time is it now")
    captions.stays("you", "what time is it now")
    captions.note("error: no")
    captions.changes("agent", "It")
    captions.end()
    captions.end()
    assert printed == [
        "\r\x1b[K  you: what",
        "\r\x1b[K  you: …e is it now",
        "\r\x1b[K  you: what time is it now\n",
        "       (error: no)\n",
        "\r\x1b[Kagent: It",
        "\n",
    ]


def test_what_would_scroll_or_garble_a_terminal_is_left_out() -> None:
    printed: list[str] = []
    captions = Captions(printed.append, columns=40)
    captions.changes("agent", "Two things:\n\n- \x1b[2Jone\r\n-\ttwo\u2028\x07 \x9b1m\ud83c")
    captions.stays("agent", "Two things:\n- caf\xe9 \U0001f389\u3000\u4f60\u597d")
    captions.note("error:\nno\x1b")
    assert printed == [
        "\r\x1b[Kagent: Two things: - [2Jone - two 1m",
        "\r\x1b[Kagent: Two things: - caf\xe9 \U0001f389 \u4f60\u597d\n",
        "       (error: no)\n",
    ]
