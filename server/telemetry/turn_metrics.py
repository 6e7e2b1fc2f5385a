"""What becomes of turns, counted for Prometheus: how they ended, how fast they were, what failed in them."""

from prometheus_client import CollectorRegistry, Histogram

from server.telemetry.families import counter
from server.telemetry.timeline import Timeline

_FIRST_AUDIO_S = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0)
"""People notice a pause from 0.2 s on and grow restless after 2 s."""


class TurnMetrics:
    """The metrics of the turns of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._turns = counter(registry, "turns", "Turns that are over, by how they ended.", "ending")
        self._barge_ins = counter(registry, "barge_ins", "Answers that the person talked over.")
        self._speculations = counter(
            registry,
            "speculations",
            "Answers begun before the turn was certainly over, by what became of them.",
            "result",
        )
        self._saved_s = counter(
            registry, "speculation_saved_seconds", "Waiting that kept speculations have saved."
        )
        self._first_audio = Histogram(
            "stageflow_voice_first_audio_seconds",
            "From the last voiced sample of the person to the first audio of the answer.",
            buckets=_FIRST_AUDIO_S,
            registry=registry,
        )
        self._stage_failures = counter(
            registry, "stage_failures", "Answers that failed, by the stage that did.", "stage"
        )
        self._tool_failures = counter(
            registry, "tool_failures", "Calls of the server's tools that failed, by how.", "error"
        )
        for result in ("started", "kept", "dropped"):
            self._speculations.labels(result)

    def ended(self, timeline: Timeline) -> None:
        """A turn is over."""
        self._turns.labels(timeline.ending).inc()
        if timeline.failed_stage is not None:
            self._stage_failures.labels(timeline.failed_stage).inc()
        for error in timeline.tool_errors:
            self._tool_failures.labels(error).inc()
        if timeline.interrupted_by == "speech":
            self._barge_ins.inc()
        if timeline.saved_ms:
            self._speculations.labels("started").inc()
            self._speculations.labels("kept").inc()
            self._saved_s.inc(timeline.saved_ms / 1000)
        ms = timeline.timed().ms
        if "speech_end" in ms and "first_audio" in ms:
            self._first_audio.observe(ms["first_audio"] / 1000)

    def answer_dropped(self) -> None:
        """An answer was begun, and then the person went on."""
        self._speculations.labels("started").inc()
        self._speculations.labels("dropped").inc()
