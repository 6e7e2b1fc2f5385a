"""What a server says of itself, from the pages of its `/metrics`: ours, another's, and what is none."""

import pytest

from server.client.load.calls.audit import AuditLimits
from server.client.load.calls.run import Run
from server.client.load.figures.html_report import html
from server.client.load.figures.report import step_report, whole_report
from server.client.load.figures.server_side import (
    ServerSide,
    fetch_page,
    has_same_origin,
    metrics_url,
    read_page,
)
from server.client.load.figures.text_reports import table
from server.domain.errors import ServerError
from server.telemetry.metrics import Metrics
from tests.server.client.load.booth import web_page

BEFORE = """
process_cpu_seconds_total 10.0
process_resident_memory_bytes 1e+08
stageflow_voice_sessions 1.0
stageflow_voice_worker_waiting{worker="voice"} 0.0
stageflow_voice_first_audio_seconds_count 2
stageflow_voice_first_audio_seconds_sum 9.0
"""
AFTER = """
# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.
process_cpu_seconds_total 14.0
process_resident_memory_bytes 1.5e+08
stageflow_voice_sessions 5.0
stageflow_voice_worker_waiting{worker="voice"} 2.0
stageflow_voice_first_audio_seconds_count 12
stageflow_voice_first_audio_seconds_sum 17.0
stageflow_voice_provider_first_byte_seconds_count{kind="tts",provider="b"} 10.0
stageflow_voice_provider_first_byte_seconds_sum{kind="tts",provider="b"} 2.0
stageflow_voice_provider_first_byte_seconds_count{kind="stt",provider="a"} 10.0
stageflow_voice_provider_first_byte_seconds_sum{kind="stt",provider="a"} 4.0
stageflow_voice_loop_lag_seconds_bucket{le="0.005"} 98.0
stageflow_voice_loop_lag_seconds_bucket{le="0.01"} 99.0
stageflow_voice_loop_lag_seconds_bucket{le="+Inf"} 100.0
stageflow_voice_loop_lag_seconds_count 100
stageflow_voice_loop_lag_seconds_sum 0.2
"""


def seen(*pages: str) -> ServerSide:
    side = ServerSide()
    for number, page in enumerate(pages):
        side.take(read_page(page), 10.0 * number)
    return side


def test_what_grew_between_two_pages_is_what_the_load_did() -> None:
    figures = seen(
        BEFORE, AFTER, BEFORE.replace("10.0", "14.0").replace("_count 2", "_count 12").replace("9.0", "17.0")
    ).figures()
    assert figures is not None
    assert (figures.cpu, figures.memory_mb, figures.sessions, figures.waiting) == (
        0.4,
        150.0,
        5,
        {"voice": 2},
    )
    told = seen(BEFORE, AFTER).figures()
    assert told is not None
    assert (told.first_audio_ms, told.loop_lag_mean_ms, told.loop_lag_p99_ms) == (800.0, 2.0, 10.0)
    assert [(one.stage, one.mean_ms, one.share, one.calls) for one in told.stages] == [
        ("stt", 400.0, 0.5, 10),
        ("tts", 200.0, 0.25, 10),
    ]


@pytest.mark.parametrize("second", [(7.0, 101.0), (105.0, 0.3), (100.0, 9.0)])
def test_of_a_process_that_is_not_the_same_any_more_there_is_no_share_of_a_core(
    second: tuple[float, float],
) -> None:
    side = ServerSide()
    for look_s, used_s in ((100.0, 7.0), second):
        page = f"process_cpu_seconds_total {used_s}\nstageflow_voice_process_look_seconds {look_s}\n"
        side.take(read_page(page), look_s)
    figures = side.figures()
    assert figures is not None
    assert figures.cpu is None


def test_the_share_of_a_core_is_of_the_time_between_the_looks_and_not_of_when_their_pages_came() -> None:
    """What a server looked at before the load, and pages that come late because it is busy, would say 0.3 or 2.0."""

    def page(look_s: float, used_s: float) -> str:
        return f"process_cpu_seconds_total {used_s}\nstageflow_voice_process_look_seconds {look_s}\n"

    side = ServerSide()
    looks = ((100.0, 7.0), (105.0, 7.1), (110.0, 11.1), (115.0, 15.1))
    for came_s, (look_s, used_s) in zip((0.0, 4.0, 6.5, 8.0), looks, strict=True):
        side.take(read_page(page(look_s, used_s)), came_s)
    figures = side.figures()
    assert figures is not None
    assert figures.cpu == 0.8


def test_it_stands_beside_what_the_callers_heard() -> None:
    step = step_report(
        "5 callers",
        5,
        Run().findings(),
        (),
        since_s=0,
        limits=AuditLimits(),
        server=seen(BEFORE, AFTER).figures(),
    )
    report = whole_report(
        [step], None, target="ws://host", protocol="pcm", seed=1, environment={}, calibration={}
    )
    said = table(report)
    assert "server: CPU 40%, 150 MB, 5 sessions, loop lag p99 up to 10 ms, 2 waiting for voice" in said
    assert "first audio after 800 ms on average; stt 400 ms (50%), tts 200 ms (25%)" in said
    assert "The server, by its own account" in html(report)


def test_our_server_has_the_names_that_are_looked_for() -> None:
    names = {name for name, _ in read_page(Metrics(lambda: 3).page())}
    assert {"stageflow_voice_sessions", "stageflow_voice_loop_lag_seconds_count"} <= names
    assert "stageflow_voice_first_audio_seconds_sum" in names
    assert "stageflow_voice_process_look_seconds" in names


def test_another_server_tells_what_all_tell() -> None:
    figures = seen(
        "process_cpu_seconds_total 1.0\nother_total 3\n", "process_cpu_seconds_total 3.0\n"
    ).figures()
    assert figures is not None
    assert (figures.cpu, figures.sessions, figures.first_audio_ms, figures.stages) == (0.2, None, None, [])
    assert ServerSide().figures() is None


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, "", "HTTP 401"),
        (200, "<html>", "none that are known"),
        (200, "process_cpu_seconds_total x", "no metrics at"),
    ],
)
def test_what_is_no_page_is_said(status: int, body: str, said: str) -> None:
    with web_page(status, body.encode()) as url, pytest.raises(ServerError, match=said):
        fetch_page(metrics_url(url), None)


def test_the_page_is_fetched_from_where_it_is_by_custom() -> None:
    with web_page(200, AFTER.encode()) as url:
        assert fetch_page(metrics_url(url), "key")[("stageflow_voice_sessions", ())] == 5.0
    with pytest.raises(ServerError, match="no metrics at"):
        fetch_page(metrics_url(url), None)
    assert metrics_url("wss://host:1/v1/realtime?a=b") == "https://host:1/metrics"


def test_the_key_is_for_the_server_that_is_asked_and_not_for_one_that_it_names_instead() -> None:
    asked, named = list[str | None](), list[str | None]()
    with web_page(200, AFTER.encode(), named) as other, web_page(302, b"", asked, metrics_url(other)) as url:
        assert fetch_page(metrics_url(url), "key")
    assert (asked, named) == (["Bearer key"], [None])


@pytest.mark.parametrize(
    ("url", "is_same"),
    [
        ("https://host/other", True),
        ("https://HOST:443/metrics", True),
        ("http://host/metrics", False),
        ("https://host:9090/metrics", False),
        ("https://host.example/metrics", False),
        ("https://host@example/metrics", False),
        ("https://host:x/metrics", False),
    ],
)
def test_a_key_is_for_one_scheme_host_and_port(url: str, is_same: bool) -> None:
    assert has_same_origin(url, metrics_url("wss://host/v1/realtime")) is is_same
