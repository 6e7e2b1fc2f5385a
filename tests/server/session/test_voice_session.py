"""A whole session of voice.v1 in virtual time: the voice is held, goes on, is flushed; and what was heard is known."""

from functools import partial
from itertools import pairwise
from typing import Any

import anyio
import numpy as np
import pytest

from stages.testing.fakes import Conduct, Heard, Said, ScriptedRecogniser
from stages.testing.virtual_time import run_virtual
from tests.support.stage import AUDIO, LONG, Microphone, Stage, play, realtime, speak, voice_v1

VoiceStage = partial(Stage, dialect=voice_v1)


class Player:
    """The loudspeaker of a client: plays what has come, obeys the server, and reports what was heard."""

    def __init__(self, stage: Stage, *, starts_after_s: float = 0.0, report_steps: int = 10) -> None:
        self._stage = stage
        self._delay_s = starts_after_s
        self._report_steps = report_steps
        self.played = 0
        self.item_id: str | None = None
        self._seen = 0
        self._sent = 0
        self._holds = False
        self._flushed = False

    async def run(self) -> None:
        """Play in steps of 10 ms, report every 100 ms and after a flush; until cancelled or flushed."""
        steps = 0
        while True:
            self._look()
            if not self._holds and not self._flushed and self._sent and self._delay_s <= 0:
                self.played = min(self._sent, self.played + 240)
            elif self._sent:
                self._delay_s -= 0.01
            steps += 1
            if self.item_id is not None and (steps % self._report_steps == 0 or self._flushed):
                self._stage.wire.say("x_playback", item_id=self.item_id, played_samples=self.played)
            if self._flushed:
                return
            await anyio.sleep(0.01)

    def _look(self) -> None:
        events = self._stage.wire.events()
        for event in events[self._seen :]:
            match event["type"]:
                case "response.output_item.added":
                    self.item_id = event["item"]["id"]
                case "x_pause":
                    self._holds = True
                case "x_resume":
                    self._holds = False
                case "x_flush":
                    self._flushed = True
                case kind if kind == AUDIO:
                    self._sent += len(event["data"]) // 2
        self._seen = len(events)


def frames(stage: Stage) -> list[dict[str, Any]]:
    return [event for event in stage.wire.events() if event["type"] == AUDIO]


def samples_of(found: list[dict[str, Any]]) -> bytes:
    return b"".join(frame["data"] for frame in found)


def holds(stage: Stage) -> list[str]:
    return [kind for kind in stage.wire.types() if kind in ("x_duck", "x_pause", "x_resume", "x_flush")]


def undisturbed() -> bytes:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until("x_metrics")

    return samples_of(frames(play(lambda: VoiceStage(LONG), story)))


# --- holding the voice ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.2, ["x_duck", "x_resume"]), (0.6, ["x_duck", "x_pause", "x_resume"])]
)
def test_after_a_backchannel_the_voice_goes_on_from_the_exact_sample(seconds: float, told: list[str]) -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until(AUDIO, 5)
        await Microphone(stage.wire).speak(seconds, 1.0)
        await stage.wire.until("x_metrics")

    stage = play(lambda: VoiceStage(LONG, heard=Heard("mhm")), story)
    assert holds(stage) == told
    found = frames(stage)
    assert samples_of(found) == undisturbed()
    for frame, following in pairwise(found):
        assert following["offset_samples"] == frame["offset_samples"] + len(frame["data"]) // 2
    assert {frame["epoch"] for frame in found} == {0}
    assert "input_audio_buffer.speech_started" not in stage.wire.types()


def test_no_audio_leaves_while_the_voice_is_held() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until(AUDIO, 5)
        await Microphone(stage.wire).speak(0.6, 1.0)
        await stage.wire.until("x_resume")

    stage = play(lambda: VoiceStage(LONG, heard=Heard("mhm")), story)
    types = stage.wire.types()
    held = types[types.index("x_pause") : types.index("x_resume")]
    assert AUDIO not in held


def test_a_ping_is_answered_while_the_voice_is_held_and_audio_waits() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until(AUDIO, 5)
        await Microphone(stage.wire).speak(0.6, 0.0)
        await stage.wire.until("x_pause")
        stage.wire.say("x_ping")
        await stage.wire.until("x_pong")

    stage = play(lambda: VoiceStage(LONG, heard=Heard("mhm")), story)
    types = stage.wire.types()
    assert types[types.index("x_pause") + 1] == "x_pong"


def test_a_key_that_is_not_known_is_told_once_over_the_wire_and_what_it_came_with_is_obeyed() -> None:
    async def story(stage: Stage) -> None:
        for number in (1, 2):
            stage.wire.say("x_ping", event_id="P", eccho=1)
            await stage.wire.until("x_pong", number)
            stage.wire.say("input_audio_buffer.append", event_id="A", audio="AAAA", formt="pcm")
        stage.wire.say("input_audio_buffer.clear")
        await stage.wire.until("input_audio_buffer.cleared")

    errors = [e["error"] for e in play(VoiceStage, story).wire.events() if e["type"] == "error"]
    assert [(e["code"], e["param"], e["event_id"]) for e in errors] == [
        ("unknown_parameter", "eccho", "P"),
        ("unknown_parameter", "formt", "A"),
    ]


def test_duck_pause_flush_and_the_committed_turn_reach_the_client_in_order() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until(AUDIO, 5)
        await Microphone(stage.wire).speak(1.2)
        await stage.wire.until("x_metrics", 2)

    stage = play(lambda: VoiceStage(LONG, "Yes?", heard=Heard("mhm hello there")), story)
    wanted = [
        "x_duck",
        "x_pause",
        "x_flush",
        "input_audio_buffer.speech_started",
        "response.done",
        "x_turn",
        "x_metrics",
        "input_audio_buffer.committed",
        "response.created",
        "response.done",
    ]
    types = iter(stage.wire.types())
    assert all(kind in types for kind in wanted), stage.wire.types()


def test_no_frame_of_an_older_epoch_follows_a_flush() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until(AUDIO, 5)
        await Microphone(stage.wire).speak(1.2)
        await stage.wire.until("x_metrics", 2)
        await anyio.sleep(6.0)

    stage = play(lambda: VoiceStage(LONG, "Yes?", voice=Conduct(gap_s=0.05, stubborn_s=5.0)), story)
    epoch, seen = 0, set()
    for event in stage.wire.events():
        if event["type"] == "x_flush":
            assert event["epoch"] == epoch + 1
            epoch += 1
        elif event["type"] == AUDIO:
            assert event["epoch"] == epoch
            seen.add(epoch)
    assert seen == {0, 1}


def test_a_flush_overtakes_what_waits() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until(AUDIO, 3)
        for _ in range(5):  # all in one go: the writer sends nothing in between
            stage.wire.say("input_audio_buffer.clear")
        stage.wire.say("response.cancel")
        await stage.wire.until("response.done")

    types = play(lambda: VoiceStage(LONG), story).wire.types()
    assert types.index("x_flush") < types.index("input_audio_buffer.cleared")


def test_a_flush_undoes_a_hold_that_the_client_has_not_been_told_of_yet() -> None:
    """Words that are known with the first sound lower the voice and take the floor in one go."""

    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until(AUDIO, 5)
        await Microphone(stage.wire).speak(1.2)
        await stage.wire.until("x_metrics", 2)

    quick = ScriptedRecogniser("hello there", word_ms=10)
    assert holds(play(lambda: VoiceStage(LONG, "Yes?", recogniser=quick), story)) == ["x_flush"]


# --- what was heard ---------------------------------------------------------------------------------------


def interrupted(
    *, starts_after_s: float, reports: bool = True, report_steps: int = 10
) -> tuple[Stage, Player]:
    """A client whose loudspeaker starts late is interrupted after three seconds and asks again."""
    players: list[Player] = []

    async def story(stage: Stage) -> None:
        player = Player(stage, starts_after_s=starts_after_s, report_steps=report_steps)
        players.append(player)
        stage.ask("talk")
        async with anyio.create_task_group() as tasks:
            if reports:
                tasks.start_soon(player.run)
            await stage.wire.until(AUDIO)
            await anyio.sleep(3.0)
            stage.wire.say("response.cancel")
            await stage.wire.until("response.done")
            await anyio.sleep(0.1)
            tasks.cancel_scope.cancel()
        stage.ask("and now?")
        await stage.wire.until("response.done", 2)

    return play(lambda: VoiceStage(LONG, "Yes?"), story), players[0]


def remembered(stage: Stage) -> str:
    said = next(message for message in stage.model.requests[1].messages if message.role == "assistant")
    return said.content.removesuffix(" [interrupted by the user]")


def words_in(samples: int) -> int:
    """How many words of LONG end within so many samples: the scripted voice takes 70 ms a letter and 60 ms a word."""
    ends = np.cumsum([len(word.strip(".")) * 70 + 60 for word in LONG.split()]) * 24
    return int(np.searchsorted(ends, samples, side="right"))


@pytest.mark.parametrize("starts_after_s", [0.0, 0.3, 0.9])
def test_history_has_exactly_the_words_that_the_client_has_played(starts_after_s: float) -> None:
    stage, player = interrupted(starts_after_s=starts_after_s)
    words = remembered(stage).split()
    assert LONG.split()[: len(words)] == words
    assert len(words) == words_in(player.played) > 0


def test_a_report_after_the_flush_is_enough() -> None:
    stage, player = interrupted(starts_after_s=0.9, report_steps=1_000_000)
    assert len(remembered(stage).split()) == words_in(player.played) > 0


def test_without_reports_the_estimate_cannot_know_that_it_started_late() -> None:
    stage, _ = interrupted(starts_after_s=0.9, reports=False)
    assert len(remembered(stage).split()) == words_in(3 * 24_000)


def test_reports_of_the_impossible_change_nothing() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hello")
        item = (await stage.wire.until("response.output_item.added"))["item"]["id"]
        stage.wire.say("x_playback", item_id=item, played_samples=4_000_000_000, underruns=0)
        await stage.wire.until("x_metrics")
        stage.wire.say("x_playback", item_id=item, played_samples=0)

    stage = play(lambda: VoiceStage("Hello to you."), story)
    assert "error" not in stage.wire.types()


def test_of_reports_on_items_that_there_are_not_the_first_is_answered() -> None:
    async def story(stage: Stage) -> None:
        for _ in range(3):
            stage.wire.say("x_playback", item_id="item_nobody_knows", played_samples=1, event_id="mine")
        error = (await stage.wire.until("error"))["error"]
        assert (error["code"], error["param"]) == ("item_playback_invalid_item_id", "item_id")
        assert error["event_id"] == "mine"
        stage.ask("hello")
        await stage.wire.until("x_metrics")

    assert play(lambda: VoiceStage("Hello to you."), story).wire.types().count("error") == 1


# --- the report of a turn ---------------------------------------------------------------------------------


def test_a_spoken_turn_is_reported_with_its_steps_in_order() -> None:
    async def story(stage: Stage) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Player(stage).run)
            await Microphone(stage.wire).speak(1.0)
            await stage.wire.until("x_metrics")
            tasks.cancel_scope.cancel()

    stage = play(lambda: VoiceStage("Hello to you."), story)
    types = stage.wire.types()
    assert types[-2:] == ["x_turn", "x_metrics"]
    turn, metrics = stage.wire.events()[-2:]
    done = next(event for event in stage.wire.events() if event["type"] == "response.done")
    assert metrics["response_id"] == done["response"]["id"]
    assert (turn["turn"], turn["ended_by"], turn["guard"], turn["route"]) == (
        1,
        "silence",
        "passed",
        "assistant",
    )
    assert (turn["speculated"], turn["interrupted_by"]) == (True, None)
    committed = next(event for event in stage.wire.events() if event["type"].endswith("committed"))
    assert turn["item_id"] == committed["item_id"]
    ms = metrics["ms"]
    assert ms["speech_end"] == 0
    assert ms["endpoint"] == turn["silence_ms"] == pytest.approx(500, abs=40)
    assert 300 < turn["saved_ms"] < 500
    assert ms["transcript"] <= ms["first_token"] <= ms["endpoint"] <= ms["first_audio"] <= ms["heard"]
    assert set(ms) == {
        "speech_end", "endpoint", "transcript", "guard", "route", "first_token", "first_audio", "heard",
    }  # fmt: skip


def test_a_typed_turn_has_no_speech_and_no_endpoint() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hello", "text")
        await stage.wire.until("x_metrics")

    stage = play(lambda: VoiceStage(Said(text="Hi.", conduct=Conduct(delay_s=0.5))), story)
    turn, metrics = stage.wire.events()[-2:]
    assert (turn["ended_by"], turn["silence_ms"], turn["speculated"]) == ("client", None, False)
    assert set(metrics["ms"]) == {"guard", "route", "first_token"}
    assert metrics["ms"]["first_token"] == 500


@pytest.mark.parametrize("how", ["speech", "client"])
def test_an_interrupted_turn_says_by_what(how: str) -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until(AUDIO, 5)
        if how == "client":
            stage.wire.say("response.cancel")
        else:
            await Microphone(stage.wire).speak(1.2)
        await stage.wire.until("x_turn")

    stage = play(lambda: VoiceStage(LONG, "Yes?"), story)
    types = stage.wire.types()
    assert stage.wire.events()[types.index("x_turn")]["interrupted_by"] == how
    assert types.index("response.done") < types.index("x_turn") < types.index("x_metrics")


def test_a_blocked_turn_says_so() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("a forbidden word")
        await stage.wire.until("x_turn")

    stage = play(lambda: VoiceStage("no", blocked=("forbidden",)), story)
    assert stage.wire.events()[stage.wire.types().index("x_turn")]["guard"] == "blocked"


def test_a_gap_in_the_microphone_is_told_and_the_session_goes_on() -> None:
    async def story(stage: Stage) -> None:
        microphone = Microphone(stage.wire)
        await microphone.speak(0.5, 0.0)
        microphone._sent_samples += 4800  # noqa: SLF001 - frames that were lost on the way
        await microphone.speak(0.5)
        await stage.wire.until("x_metrics")

    stage = play(lambda: VoiceStage("Hello."), story)
    errors = [event["error"]["code"] for event in stage.wire.events() if event["type"] == "error"]
    assert errors == ["audio_gap"]


@pytest.mark.no_cover
def test_an_hour_of_virtual_time_is_enough_to_see_that_a_client_which_never_plays_is_not_waited_for() -> None:
    async def main() -> Stage:
        stage = VoiceStage("Hello to you.")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.session.run)
            stage.ask("hello")
            item = (await stage.wire.until("response.output_item.added"))["item"]["id"]
            for _ in range(7000):
                stage.wire.say("x_playback", item_id=item, played_samples=0)
                await anyio.sleep(0.1)
            stage.wire.hang_up()
        return stage

    stage = run_virtual(main)
    assert stage.wire.events()[stage.wire.types().index("x_turn")]["interrupted_by"] == "timeout"


@pytest.mark.parametrize("silence_s", [0.02, 0.06, 0.1, 0.14])
def test_a_short_sound_over_an_answer_that_the_client_commits_is_its_turn(silence_s: float) -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hello")
        await anyio.sleep(1.0)
        microphone = Microphone(stage.wire)
        await microphone.speak(0.045, silence_s)
        stage.wire.say("input_audio_buffer.commit")
        await microphone.send(np.zeros(48_000, np.int16))
        await anyio.sleep(3.0)

    recogniser = ScriptedRecogniser("you", word_ms=5_000)
    stage = play(lambda: VoiceStage(LONG, "What?", recogniser=recogniser), story)
    kinds = [event["type"] for event in stage.wire.events()]
    started = kinds.index("input_audio_buffer.speech_started")
    assert kinds.index("x_flush") < started
    assert "input_audio_buffer.speech_stopped" in kinds[started:]
    assert "input_audio_buffer.committed" in kinds[started:]
    assert kinds.count("response.done") >= 1


# --- the agent's own voice in the microphone ----------------------------------------------------------------

OPEN_ALL_DAY = "We are open all day long. " * 12


async def speak_voice_v1(stage: Stage, seconds: float) -> None:
    await Microphone(stage.wire).speak(seconds)


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("dialect", "audio", "say", "interruptions"),
    [(voice_v1, AUDIO, speak_voice_v1, 0), (realtime, "response.output_audio.delta", speak, 1)],
)
def test_its_own_voice_neither_interrupts_an_answer_nor_becomes_a_turn(
    dialect: Any, audio: str, say: Any, interruptions: int
) -> None:
    """Who cannot hold the voice is interrupted by the first echo, and by no other."""

    async def story(stage: Stage) -> None:
        for answers in (1, 2):
            stage.ask("talk")
            await stage.wire.until(audio, 4)
            for _ in range(5):
                if (
                    stage.wire.types().count("response.done") < answers
                ):  # where nothing is said nothing comes back
                    await say(stage, 0.8)
            await stage.wire.until("response.done")
            await anyio.sleep(25)

    stage = play(lambda: Stage(OPEN_ALL_DAY, heard=Heard("open all day"), dialect=dialect), story)
    types = stage.wire.types()
    started = [kind for kind in types if kind == "input_audio_buffer.speech_started"]
    assert types.count("response.created") == 2
    assert [e["response"]["status"] for e in stage.wire.events() if e["type"] == "response.done"].count(
        "cancelled"
    ) == interruptions
    assert started or dialect is voice_v1


def test_who_says_the_agents_words_interrupts_where_the_client_cancels_echo() -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say(
            "session.update", session={"type": "realtime", "audio": {"input": {"x_echo_cancelled": True}}}
        )
        stage.ask("talk")
        await stage.wire.until(AUDIO, 4)
        await speak_voice_v1(stage, 0.8)
        await stage.wire.until("response.done")

    stage = play(lambda: Stage(OPEN_ALL_DAY, heard=Heard("open all day"), dialect=voice_v1), story)
    done = next(event for event in stage.wire.events() if event["type"] == "response.done")
    assert done["response"]["status"] == "cancelled"
