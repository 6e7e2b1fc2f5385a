"""What the client plays just now, by the way out: what may come back as an echo."""

import numpy as np

from audio.formats import SPEECH_HZ, AudioFormat, Encoding, Samples
from server.domain.values import Response, SessionConfig
from server.domain.voice_events import VoiceHeld
from server.output.audible import DUCKED, RINGS_S, AudibleVoice
from server.output.outbound import Outbound
from server.output.stream import OutputStream
from stages.testing.virtual_time import virtual
from tests.support.audio_maker import clip

FORMAT = AudioFormat(Encoding.PCM16, SPEECH_HZ)
RESPONSE = Response("resp_1", config=SessionConfig(output_format=FORMAT))
STEP_S = 0.03
STEP = int(STEP_S * SPEECH_HZ)
VOICE = clip("librivox_0890.wav").read()[: 2 * SPEECH_HZ]


class Client:
    """One that is sent an answer, and whose microphone sends 30 ms at a time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.way_out = Outbound(
            lead_ms=400,
            chunk_ms=100,
            max_queued_audio_s=60.0,
            max_unsent_bytes=1 << 20,
            on_overflow=lambda: None,
        )
        self.voice = self.way_out.audible = AudibleVoice(lambda: self.now)

    async def is_told(self, samples: Samples, response: Response = RESPONSE) -> OutputStream:
        stream = self.way_out.output(response.config.output_format, lambda: None)
        await stream.audio(response, "item_1", samples.tobytes())
        stream.commit()
        return stream

    def hears(self, seconds: float, count: int = STEP) -> list[Samples | None]:
        found = []
        for _ in range(round(seconds / STEP_S)):
            self.send()
            found.append(self.voice.take(count))
            self.now += STEP_S
        return found

    def send(self) -> None:
        while self.way_out.take(self.now) is not None:
            pass


def joined(pieces: list[Samples | None]) -> Samples:
    return np.concatenate([piece for piece in pieces if piece is not None])


@virtual
async def test_before_the_first_answer_there_is_nothing_to_take_out() -> None:
    assert Client().hears(0.3) == [None] * 10


@virtual
async def test_it_is_the_voice_as_it_is_played_and_a_second_of_silence() -> None:
    client = Client()
    await client.is_told(VOICE)
    heard = client.hears(2.0 + RINGS_S + 1.0)
    played = joined(heard)
    assert np.array_equal(played[: len(VOICE)], VOICE)
    assert not played[len(VOICE) :].any()
    assert abs(len(played) - len(VOICE) - RINGS_S * SPEECH_HZ) <= 3 * STEP
    assert heard[-1] is None


@virtual
async def test_frames_that_come_in_handfuls_do_not_tear_the_voice() -> None:
    client = Client()
    await client.is_told(VOICE)
    pieces: list[Samples | None] = []
    for _ in range(int(1.8 / (2 * STEP_S))):
        client.send()
        pieces += [client.voice.take(STEP), client.voice.take(STEP)]
        client.now += 2 * STEP_S
    played = joined(pieces)
    assert np.array_equal(played, VOICE[: len(played)])


@virtual
async def test_what_the_client_says_it_has_played_moves_the_place() -> None:
    client = Client()
    stream = await client.is_told(VOICE)
    client.hears(0.6)
    stream.played_at_client(SPEECH_HZ // 4, client.now)  # it began to play late
    (piece,) = client.hears(STEP_S)
    assert piece is not None
    assert np.array_equal(piece, VOICE[SPEECH_HZ // 4 :][:STEP])


@virtual
async def test_a_voice_that_is_lowered_held_or_thrown_away_is_heard_so() -> None:
    client = Client()
    stream = await client.is_told(VOICE)
    client.hears(0.6)
    client.way_out.put(VoiceHeld("duck"))
    (piece,) = client.hears(STEP_S)
    at = round(0.6 / STEP_S) * STEP
    assert piece is not None
    assert np.array_equal(piece, (VOICE[at : at + STEP] * DUCKED).astype(np.int16))

    stream.pacer.pause(client.now)
    assert not joined(client.hears(0.3)).any()
    stream.resume(client.now)
    client.way_out.put(VoiceHeld("resume"))
    (piece,) = client.hears(STEP_S)
    assert piece is not None
    assert np.array_equal(piece, VOICE[at + STEP : at + 2 * STEP])

    client.way_out.flush()
    assert not joined(client.hears(0.3)).any()


@virtual
async def test_the_next_answer_begins_anew_in_its_own_format() -> None:
    client = Client()
    await client.is_told(VOICE)
    client.hears(3.0)
    phone = AudioFormat(Encoding.PCMU, 8_000)
    await client.is_told(
        np.full(4000, 0x80, np.uint8).view(np.int16),
        Response("resp_2", config=SessionConfig(output_format=phone)),
    )
    played = joined(client.hears(0.6))
    assert (played[2000:6000] > 30_000).all()  # the loudest that there is of that


@virtual
async def test_what_nobody_takes_is_not_kept_and_what_is_heard_then_is_found() -> None:
    client = Client()
    whole = np.tile(VOICE, 10)
    await client.is_told(whole)
    for _ in range(round(15 / STEP_S)):
        client.send()
        client.now += STEP_S
        assert client.voice.kept_samples < 2 * SPEECH_HZ
    at = round(client.now * SPEECH_HZ)
    np.testing.assert_array_equal(joined(client.hears(0.3)), whole[at : at + 10 * STEP])
