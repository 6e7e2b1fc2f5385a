"""What a server says of itself while it is called, by its `/metrics`: pages in, figures of one load out.

Figures of the process have the names that Prometheus' clients give them, so that they are known of other servers too.
"""

import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel, ConfigDict

from server.domain.errors import ServerError

_FETCH_S = 3.0
_PORTS = {"http": 80, "https": 443}
_MOST_BYTES = 1 << 22
_OURS = "stageflow_voice_"
_CPU, _MEMORY = "process_cpu_seconds_total", "process_resident_memory_bytes"
_WANTED = tuple(
    f"{_OURS}{name}"
    for name in (
        "sessions ",
        "loop_lag_seconds",
        "worker_waiting",
        "process_look_seconds",
        "first_audio_seconds",
        "provider_first_byte_seconds",
    )
)

_LOOK = f"{_OURS}process_look_seconds"
"""When the server looked at its process, on its own clock: that may be seconds before the page is asked for."""
_STAGES = "stt llm tts"

Page: TypeAlias = Mapping[tuple[str, tuple[str, ...]], float]
"""Values by name and the values of the labels."""


class StageFigures(BaseModel):
    """How long one stage of the answers took."""

    model_config = ConfigDict(extra="forbid")

    stage: str
    provider: str
    calls: int
    mean_ms: float
    """To its first result."""
    share: float | None
    """Of the time to the first audio of an answer. Stages may overlap."""


class ServerFigures(BaseModel):
    """The server during one load; null is what it does not tell."""

    model_config = ConfigDict(extra="forbid")

    cpu: float | None
    """Share of one core."""
    memory_mb: float | None
    """The most."""
    sessions: int | None
    """The most."""
    loop_lag_mean_ms: float | None
    loop_lag_p99_ms: float | None
    """At most: the bucket in which it lies ends there."""
    waiting: dict[str, int]
    """What waited at most for each of its workers."""
    first_audio_ms: float | None
    """From the last voiced sample to the first audio of an answer, by its own account: the mean."""
    stages: list[StageFigures]


class ServerSide:
    """The pages of one load, as they come."""

    def __init__(self) -> None:
        self._first: Page | None = None
        self._last: Page = {}
        self._most: dict[tuple[str, tuple[str, ...]], float] = {}
        self._cpu: list[tuple[float, float]] = []
        """The first two times at which it was another, and the last."""

    def take(self, page: Page, now_s: float) -> None:
        """The page at this time."""
        if self._first is None:
            self._first = page
        self._last = page
        for key, value in page.items():
            if key[0] in (_MEMORY, f"{_OURS}sessions", f"{_OURS}worker_waiting"):
                self._most[key] = max(value, self._most.get(key, 0.0))
        used_s = page.get((_CPU, ()))
        if used_s is not None and (not self._cpu or used_s != self._cpu[-1][1]):
            self._cpu = [*self._cpu[:2], (page.get((_LOOK, ()), now_s), used_s)]

    def figures(self) -> ServerFigures | None:
        """The figures of the load; None if no page has come."""
        if self._first is None:
            return None
        memory, sessions = self._most.get((_MEMORY, ())), self._most.get((f"{_OURS}sessions", ()))
        first_audio_ms = self._mean_ms(f"{_OURS}first_audio_seconds", ())
        waiting = {
            key[1][0]: int(most) for key, most in self._most.items() if key[0] == f"{_OURS}worker_waiting"
        }
        return ServerFigures(
            cpu=self._cpu_share(),
            memory_mb=None if memory is None else round(memory / 1e6, 1),
            sessions=None if sessions is None else int(sessions),
            loop_lag_mean_ms=self._mean_ms(f"{_OURS}loop_lag_seconds", ()),
            loop_lag_p99_ms=self._lag_p99_ms(),
            waiting=waiting,
            first_audio_ms=first_audio_ms,
            stages=self._stages(first_audio_ms),
        )

    def _grown(self, name: str, labels: tuple[str, ...]) -> float:
        assert self._first is not None
        return self._last.get((name, labels), 0.0) - self._first.get((name, labels), 0.0)

    def _cpu_share(self) -> float | None:
        if len(self._cpu) < 2:  # of two times there is a difference
            return None
        # The first look may be from before the load.
        (began_s, before), (ended_s, after) = self._cpu[-2:]
        if ended_s <= began_s or after < before:  # it began anew, or several processes answer by turns
            return None
        return round((after - before) / (ended_s - began_s), 3)

    def _mean_ms(self, name: str, labels: tuple[str, ...]) -> float | None:
        n = self._grown(f"{name}_count", labels)
        return round(self._grown(f"{name}_sum", labels) / n * 1000, 1) if n > 0 else None

    def _lag_p99_ms(self) -> float | None:
        name = f"{_OURS}loop_lag_seconds"
        n = self._grown(f"{name}_count", ())
        bounds = sorted((float(labels[0]), labels) for key, labels in self._last if key == f"{name}_bucket")
        for bound_s, labels in bounds:
            if n > 0 and self._grown(f"{name}_bucket", labels) >= 0.99 * n:
                return None if bound_s == float("inf") else round(bound_s * 1000, 1)
        return None

    def _stages(self, first_audio_ms: float | None) -> list[StageFigures]:
        name = f"{_OURS}provider_first_byte_seconds"
        found = []
        for key, labels in self._last:
            mean_ms = self._mean_ms(name, labels) if key == f"{name}_count" else None
            if mean_ms is not None:
                calls, share = int(self._grown(key, labels)), None
                if first_audio_ms:
                    share = round(mean_ms / first_audio_ms, 3)
                found.append(
                    StageFigures(
                        stage=labels[0], provider=labels[1], calls=calls, mean_ms=mean_ms, share=share
                    )
                )
        return sorted(found, key=lambda one: (_STAGES.find(one.stage), one.provider))


def read_page(text: str) -> Page:
    """What of a page is wanted. Raises ValueError for what is none."""
    lines = [line for line in text.splitlines() if line.startswith((_CPU, _MEMORY, *_WANTED))]
    page: dict[tuple[str, tuple[str, ...]], float] = {}
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            order = sorted(sample.labels, key=lambda label: (label != "kind", label))
            page[sample.name, tuple(sample.labels[label] for label in order)] = float(sample.value)
    return page


def metrics_url(url: str) -> str:
    """Where the metrics of the server at this address are by custom."""
    parts = urlsplit(url)
    return f"{parts.scheme.replace('ws', 'http', 1)}://{parts.netloc}/metrics"


def has_same_origin(url: str, other: str) -> bool:
    """Whether the two are of one server: scheme, host and port; never raises."""
    try:
        one, another = urlsplit(url), urlsplit(other)
        ports = [parts.port or _PORTS.get(parts.scheme) for parts in (one, another)]
    except ValueError:
        return False
    return (one.scheme, one.hostname) == (another.scheme, another.hostname) and ports[0] == ports[1]


def fetch_page(url: str, api_key: str | None) -> Page:
    """The page that is there now; blocks for some seconds at most. Raises ServerError that says why there is none.

    The key is for this server, and not for one that it names instead.
    """
    try:
        request = urllib.request.Request(url)
        if api_key:
            request.add_unredirected_header("Authorization", f"Bearer {api_key}")
        with urllib.request.urlopen(request, timeout=_FETCH_S) as response:
            page = read_page(response.read(_MOST_BYTES).decode(errors="replace"))
    except urllib.error.HTTPError as error:
        error.close()
        raise ServerError(f"no metrics at {url}: HTTP {error.code}") from error
    except (OSError, ValueError) as error:
        raise ServerError(f"no metrics at {url}: {getattr(error, 'reason', error)}") from error
    if not page:
        raise ServerError(f"no metrics at {url}: the page has none that are known")
    return page
