"""Sound that rises out of the quiet of a pause, and sound that does not."""

import numpy as np
import pytest

from audio.formats import Samples
from audio.pause import Pause, Rise
from tests.support.audio_maker import pink_noise, silence, white_noise

FRAME = 512


def frames(samples: Samples) -> list[Samples]:
    return [samples[start : start + FRAME] for start in range(0, len(samples) - FRAME + 1, FRAME)]


@pytest.mark.parametrize("noise", [white_noise(2_000, -40), pink_noise(2_000, -40), silence(2_000)])
def test_noise_of_one_loudness_hardly_ever_rises(noise: Samples) -> None:
    pause = Pause()
    heard = [pause.hear(frame) for frame in frames(noise)]
    assert sum(rise > Rise.NONE for rise in heard) <= len(heard) // 20
    assert Rise.PLAIN not in heard


@pytest.mark.parametrize("db", [-70, -50, -40])
def test_a_sound_in_the_last_quarter_of_a_frame_rises(db: float) -> None:
    pause = Pause()
    for frame in frames(white_noise(300, db)):
        assert not pause.hear(frame)
    returning = white_noise(32, db)
    returning[-FRAME // 4 :] = white_noise(8, db + 10)
    assert pause.hear(returning) == (Rise.SOME if db + 10 > -65 else Rise.NONE)


def test_the_first_frame_of_a_pause_is_its_measure() -> None:
    pause = Pause()
    loud, quiet = np.full(FRAME, 3_000, np.int16), np.full(FRAME, 100, np.int16)
    assert [pause.hear(frame) for frame in (loud, loud, quiet, loud)] == [Rise.NONE] * 3 + [Rise.PLAIN]
    pause.begin()
    assert not pause.hear(loud)


@pytest.mark.parametrize(("db", "rise"), [(3, Rise.NONE), (10, Rise.SOME), (16, Rise.PLAIN)])
def test_a_letter_rises_further_than_the_noise_of_a_room(db: float, rise: Rise) -> None:
    pause = Pause()
    for frame in frames(white_noise(300, -50)):
        pause.hear(frame)
    assert pause.hear(white_noise(32, -50 + db, seed=7)) == rise
