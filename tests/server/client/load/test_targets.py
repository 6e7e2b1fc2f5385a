"""What the messages of each protocol mean to a caller, and how short a class of one's own is."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from audio.formats import Samples
from server.client.load.targets import Pcm, Realtime, Voice, find_target
from server.client.load.wire import Audio, Mark, Order, Sound, Target, TargetError, Trouble, Wire
from server.dialects.voice.frames import Stream, pack_frame, unpack_frame
from server.domain.errors import ClientError


class Shouting(Target):
    """Somebody's own: samples as hexadecimal text."""

    @classmethod
    def prepare(cls, samples: Samples) -> Wire:
        return samples.astype("<i2").tobytes().hex()

    def hear(self, message: Wire) -> Sequence[Sound]:
        assert isinstance(message, str)
        return (Audio(np.frombuffer(bytes.fromhex(message), "<i2")),)


FRAME = np.arange(480, dtype=np.int16)


def audio(sounds: Sequence[Sound]) -> Samples:
    (sound,) = sounds
    assert isinstance(sound, Audio)
    return sound.samples


def test_voice_frames_carry_the_place_of_their_first_sample() -> None:
    prepared = Voice.prepare(FRAME)
    assert isinstance(prepared, bytes)
    frame = unpack_frame(Voice().header(960) + prepared)
    assert (frame.stream, frame.offset_samples, frame.data) == (Stream.MICROPHONE, 960, FRAME.tobytes())


def test_voice_drops_frames_of_an_epoch_that_was_flushed() -> None:
    target = Voice()
    old, new = (pack_frame(Stream.ANSWER, epoch, 0, FRAME.tobytes()) for epoch in (0, 1))
    assert len(audio(target.hear(old))) == 480
    assert target.hear(json.dumps({"type": "x_flush", "epoch": 1})) == (Order.FLUSH,)
    assert target.hear(old) == ()
    assert len(audio(target.hear(new))) == 480
    assert target.hear(json.dumps({"type": "input_audio_buffer.speech_started"})) == (Mark("speech started"),)
    assert target.hear(pack_frame(Stream.ANSWER, 1, 480, b"")) == ()
    for wrong, why in ((new[:10], "header"), (bytes(20), "kind"), (new[:13], "buffer size")):
        with pytest.raises((ClientError, ValueError), match=why):
            target.hear(wrong)


def test_realtime_flushes_when_speech_starts_and_drops_what_was_on_its_way() -> None:
    target = Realtime()
    sent = Realtime.prepare(FRAME)
    data = json.loads(sent)["audio"]
    delta = {"type": "response.output_audio.delta", "response_id": "r1", "item_id": "i1", "delta": data}
    assert np.array_equal(audio(target.hear(json.dumps(delta))), FRAME)
    started = json.dumps({"type": "input_audio_buffer.speech_started"})
    assert target.hear(started) == (Order.FLUSH, Mark("speech started"))
    assert target.hear(json.dumps(delta)) == ()
    assert len(target.hear(json.dumps({**delta, "response_id": "r2"}))) == 1
    (told,) = target.heard("i1", 12_000, underruns=0, is_cut=True)
    assert json.loads(told)["audio_end_ms"] == 500


@pytest.mark.parametrize("target", [Realtime(), Voice()])
def test_faults_of_the_server_are_troubles(target: Target) -> None:
    assert target.hear(json.dumps({"type": "error", "error": {"message": "no"}})) == (Trouble("no"),)
    failed = {"type": "response.done", "response": {"status": "failed"}}
    assert Order.ANSWER_ENDS in target.hear(json.dumps(failed))
    assert target.hear(json.dumps({"type": "something.new"})) == ()


def test_pcm_is_bare_and_cannot_type() -> None:
    target = Pcm()
    assert np.array_equal(audio(target.hear(Pcm.prepare(FRAME))), FRAME)
    with pytest.raises(TargetError, match="type"):
        target.typed("hello")


def test_targets_are_found_by_name_rate_and_class() -> None:
    assert find_target("voice.v1") is Voice
    assert find_target("pcm:16000").rate_hz == 16_000
    assert find_target(f"{__name__}:Shouting").__name__ == "Shouting"


@pytest.mark.parametrize("name", ["sip", "pcm:7", "nowhere:Target", "json:loads", ":"])
def test_what_is_no_target_is_said(name: str) -> None:
    with pytest.raises(TargetError, match="--protocol"):
        find_target(name)


def test_a_class_of_ones_own_whose_prepare_is_a_method_is_refused_before_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    wrong = (
        "from server.client.load.wire import Target\nclass T(Target):\n    def prepare(self, samples): ..."
    )
    (tmp_path / "target_with_a_method.py").write_text(wrong)
    (tmp_path / "target_of_no_python.py").write_text("class T(")
    with pytest.raises(TargetError, match="`prepare` must be a @classmethod"):
        find_target("target_with_a_method:T")
    with pytest.raises(TargetError, match="target_of_no_python"):
        find_target("target_of_no_python:T")
