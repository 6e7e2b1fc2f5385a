"""Who may come in, and what is told of the tier over HTTP. Pure: paths, keys and figures in, answers out."""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass

from stages.runtime.worker_counts import WorkerStatistics
from stages.tier.engine import TierEngine

BUSY_CODE = 1013
"""The close code of a replica that is full: another may have room."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An HTTP answer."""

    status: int
    body: str
    content_type: str = "text/plain; charset=utf-8"


def is_let_in(authorization: str | None, key: str | None) -> bool:
    """Whether the header has the key, where there is one. Takes as long for every wrong key."""
    if not key:
        return True
    said = (authorization or "").removeprefix("Bearer ")
    return hmac.compare_digest(said.encode(), key.encode())


def answer(
    path: str, engines: Mapping[str, TierEngine], workers: Mapping[str, WorkerStatistics]
) -> HttpAnswer:
    """What `/healthz` and `/metrics` say; anything else is not there."""
    if path.endswith("/healthz"):
        served = {kind: _state(engine) for kind, engine in engines.items()}
        return HttpAnswer(200, json.dumps({"status": "ok", "engines": served}), "application/json")
    if path.endswith("/metrics"):
        return HttpAnswer(200, _metrics(engines, workers), "text/plain; version=0.0.4; charset=utf-8")
    return HttpAnswer(404, "not found: there are /v1/stt and /v1/tts (WebSocket), /healthz and /metrics\n")


def _state(engine: TierEngine) -> Mapping[str, object]:
    return {"engine": engine.choice.use, "streams": engine.figures.streams, "full": engine.is_full}


def _metrics(engines: Mapping[str, TierEngine], workers: Mapping[str, WorkerStatistics]) -> str:
    rows = list[tuple[str, str, str, float]]()
    for kind, engine in engines.items():
        mark = f'kind="{kind}",engine="{engine.choice.use}"'
        rows.append(("streams", "gauge", mark, engine.figures.streams))
        rows.append(("streams_opened_total", "counter", mark, engine.figures.opened))
        rows.append(("streams_refused_total", "counter", mark, engine.figures.refused))
    for name, load in workers.items():
        mark = f'worker="{name}"'
        rows.append(("calls_waiting", "gauge", mark, load.waiting))
        rows.append(("calls_done_total", "counter", mark, load.done))
        rows.append(("calls_waited_seconds_total", "counter", mark, load.waited_s))
    lines = list[str]()
    for name in dict.fromkeys(row[0] for row in rows):
        lines.append(f"# TYPE model_tier_{name} {next(row[1] for row in rows if row[0] == name)}")
        lines += [f"model_tier_{row[0]}{{{row[2]}}} {row[3]:g}" for row in rows if row[0] == name]
    return "\n".join(lines) + "\n"
