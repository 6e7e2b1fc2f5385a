"""The sound of a conversation by microphone: what waits for the line keeps nothing from being recorded where it was."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import numpy as np
import soundfile

from audio.formats import Samples
from server.client.intake import MicrophoneIntake
from server.client.keeping import sound_file
from server.client.outgoing import Frame, Outgoing
from server.client.panel import Panel
from server.client.recording import LiveRecording
from server.client.sound import MICROPHONE_S, Device, Sound

HZ = 24_000
TICK = HZ // 50


def level(value: int, count: int = TICK) -> Samples:
    return np.full(count, value, np.int16)


def new_sound() -> Sound:
    device = Device(0, "of a test", HZ)
    return Sound(device, device, lambda: 0.0)


async def test_while_the_line_takes_nothing_both_sides_are_recorded_where_they_were(tmp_path: Path) -> None:
    sound, path = new_sound(), tmp_path / "both.wav"
    async with sound_file("--record", path, HZ, 2) as file:
        recorder = LiveRecording(file, HZ, HZ)
        intake = MicrophoneIntake(sound, Panel(), None, recorder)
        lost = await hear_five_seconds(sound, intake, recorder)
        for _ in intake.frames():
            pass
        assert intake.lost_s() == lost * TICK / HZ
        await recorder.write(all_of_it=True)
    both, _ = await anyio.to_thread.run_sync(partial(soundfile.read, path, dtype="int16"))
    person, agent = both[TICK // 2 :: TICK].T
    assert [*agent] == [1000 + tick for tick in range(250)]
    assert [*person] == [1 + tick for tick in range(250 - lost)] + [0] * lost


async def hear_five_seconds(sound: Sound, intake: MicrophoneIntake, recorder: LiveRecording) -> int:
    """Of which the line takes one frame, and there is room for one second more, and two in the ring. Tells how many
    ticks of the microphone were lost."""
    outgoing, lost = Outgoing(stuck(), most_frames=50), 0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outgoing.run)
        for tick in range(250):
            lost += not sound.captured.put(level(1 + tick))
            sound.lost_samples = lost * TICK
            assert sound.played is not None
            assert sound.played.put(level(1000 + tick))
            intake.follow()
            if outgoing.has_room:
                for said in intake.frames():
                    outgoing.put(said.tobytes())
            await recorder.write()
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert lost == 250 - 150 - 1
    return lost


def stuck() -> Callable[[Frame], Awaitable[None]]:
    """A line that takes one frame and no second."""

    async def send(frame: Frame) -> None:
        await anyio.sleep_forever()

    return send


def test_what_was_said_before_there_was_a_server_is_not_sent() -> None:
    sound = new_sound()
    sound.captured.put(level(1, int(HZ * MICROPHONE_S)))
    intake = MicrophoneIntake(sound, Panel(), None, None)
    sound.captured.put(level(2))
    assert {int(value) for said in intake.frames() for value in said} == {2}


async def test_what_is_put_is_sent_in_order_while_more_is_put() -> None:
    sent: list[Frame] = []
    done = anyio.Event()

    async def send(frame: Frame) -> None:
        await anyio.lowlevel.checkpoint()
        sent.append(frame)
        if len(sent) == 3:
            done.set()

    outgoing = Outgoing(send)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outgoing.run)
        outgoing.put("1")
        outgoing.put("2")
        await anyio.lowlevel.checkpoint()
        outgoing.put("3")
        await done.wait()
        tasks.cancel_scope.cancel()
    assert sent == ["1", "2", "3"]
