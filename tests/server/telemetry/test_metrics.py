"""What is counted, from a real session, in the format that Prometheus reads."""

import sys
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.telemetry.metrics import Metrics
from server.telemetry.process_metrics import own_cores
from server.telemetry.timeline import Timeline
from server.turntaking.floor import RunId
from stages.runtime.worker import Worker
from tests.support.patience import PATIENCE_S
from tests.support.stage import AUDIO, LONG, Microphone, Stage, play, voice_v1


def values(metrics: Metrics) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(metrics.page()):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sample.labels.items())
            found[f"{sample.name.removeprefix('stageflow_voice_')}{{{labels}}}"] = sample.value
    return found


def test_a_session_leaves_its_counts() -> None:
    metrics = Metrics(lambda: 3)

    async def story(stage: Stage) -> None:
        microphone = Microphone(stage.wire)
        await microphone.speak(1.0)
        await stage.wire.until(AUDIO, 5)
        stage.wire.say("nonsense")
        await microphone.speak(1.2)
        await stage.wire.until("x_metrics", 2)

    play(lambda: Stage(LONG, "Yes?", dialect=voice_v1, observer=metrics), story)
    found = values(metrics)
    assert found["sessions{}"] == 3
    assert found["sessions_ended_total{code=1000}"] == 1
    assert found["turns_total{ending=interrupted_by_speech}"] == 1
    assert found["turns_total{ending=completed}"] == 1
    assert found["barge_ins_total{}"] == 1
    assert found["speculations_total{result=started}"] == found["speculations_total{result=kept}"] == 2
    assert found["speculations_total{result=dropped}"] == 0
    assert 0.5 < found["speculation_saved_seconds_total{}"] < 1.0
    assert found["first_audio_seconds_count{}"] == 2
    assert found["errors_total{code=invalid_value}"] == 1
    assert found["slow_readers_total{}"] == 0


def test_an_answer_that_was_begun_in_vain_is_counted_as_dropped() -> None:
    metrics = Metrics(lambda: 1)

    async def story(stage: Stage) -> None:
        microphone = Microphone(stage.wire)
        await microphone.speak(0.8, 0.3)
        await microphone.speak(0.8)
        await stage.wire.until("x_metrics")

    play(lambda: Stage("Hello.", dialect=voice_v1, observer=metrics), story)
    found = values(metrics)
    assert (found["speculations_total{result=dropped}"], found["speculations_total{result=kept}"]) == (1, 1)
    assert found["turns_total{ending=completed}"] == 1


def test_slow_readers_are_counted() -> None:
    metrics = Metrics(lambda: 0)
    metrics.session_ended(4408)
    metrics.session_ended(1000)
    assert values(metrics)["slow_readers_total{}"] == 1


def endings(until: str, count: int = 1) -> dict[str, float]:
    """How the one turn ended of a client that leaves as soon as it has seen so many of these events."""
    metrics = Metrics(lambda: 0)

    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until(until, count)

    play(lambda: Stage(LONG, dialect=voice_v1, observer=metrics), story)
    return {
        name: count for name, count in values(metrics).items() if name.startswith("turns_total") and count
    }


def test_whoever_leaves_with_the_whole_answer_has_not_interrupted_it() -> None:
    assert endings(AUDIO, 5) == {"turns_total{ending=interrupted_by_gone}": 1}
    assert endings("response.done") == {"turns_total{ending=completed}": 1}


async def test_the_loop_and_the_process_are_looked_at() -> None:
    metrics = Metrics(lambda: 0)
    assert values(metrics)["loop_lag_seconds_count{}"] == 0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(metrics.watch)
        with anyio.fail_after(PATIENCE_S):
            while not values(metrics)["loop_lag_seconds_count{}"]:  # noqa: ASYNC110  # it tells nobody
                await anyio.sleep(0.02)
        tasks.cancel_scope.cancel()
    found = values(metrics)
    if sys.platform == "linux":
        assert found["process_open_fds{}"] > 0
        assert found["process_resident_memory_bytes{}"] > 1 << 20
        assert found["process_cpu_seconds_total{}"] > 0


async def test_what_the_models_have_to_do_is_told_by_their_names() -> None:
    worker = Worker("a model of this test")
    assert await worker.run(lambda: 1) == 1
    found = values(Metrics(lambda: 0))
    await anyio.to_thread.run_sync(worker.close)
    assert found["worker_waiting{worker=a model of this test}"] == 0
    assert found["worker_calls_total{end=done,worker=a model of this test}"] == 1
    assert found["worker_waited_seconds_total{worker=a model of this test}"] >= 0


def test_a_stage_and_a_tool_that_fail_are_counted() -> None:
    metrics = Metrics(lambda: 0)
    timeline = Timeline(RunId(1, 1), 0.0)
    timeline.failed_stage, timeline.tool_errors = "agent", ["timeout", "exception", "timeout"]
    metrics.turn_ended(timeline)
    found = values(metrics)
    assert found["stage_failures_total{stage=agent}"] == 1
    assert (found["tool_failures_total{error=timeout}"], found["tool_failures_total{error=exception}"]) == (
        2,
        1,
    )


@pytest.mark.parametrize(
    ("text", "cores"),
    [("50000 100000\n", 0.5), ("max 100000\n", None), ("900000000 100000\n", None), ("", None)],
    ids=["less", "unlimited", "more", "odd"],
)
def test_a_process_has_no_more_cores_than_its_container_has_time(
    tmp_path: Path, text: str, cores: float | None
) -> None:
    quota = tmp_path / "cpu.max"
    of_machine = own_cores(quota)
    quota.write_text(text)
    assert own_cores(quota) == (cores or of_machine)
