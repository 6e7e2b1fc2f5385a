"""How much speech may be on its way, and how much of it has been heard by now.

The server makes speech faster than anybody listens. What has been sent cannot be taken back, so only a lead
beyond what has been played may leave: enough to cover the network's jitter, little enough that falling silent
is quick and that we know which words were heard.
"""

LEAD_MS_LIMITS = (200, 1500)
"""Least and most lead: with less, jitter is heard; with more, what was flushed talks on for long."""

_ROUNDING_SAMPLES = 1e-3
"""Added before rounding down, so that at the moment `next_due` names there is room, floats or not."""


class Pacer:
    """The account of one stream of speech to one client. `now` is any clock in seconds that never goes back.

    The estimate: playout starts the moment the first sample is sent and goes on while there is something to
    play. When it runs dry (an underrun, or a pause between two sentences), what is sent next starts a new
    run.
    """

    __slots__ = ("_before_samples", "_lead_samples", "_rate_hz", "_run_samples", "_run_started_s")

    def __init__(self, rate_hz: int, lead_ms: int = 400) -> None:
        self._rate_hz = rate_hz
        self.set_lead_ms(lead_ms)
        self.reset()

    @property
    def sent_samples(self) -> int:
        """All samples sent since the last reset."""
        return self._before_samples + self._run_samples

    def set_lead_ms(self, lead_ms: int) -> None:
        """Let this much be on its way from now on; kept within `LEAD_MS_LIMITS`."""
        least, most = LEAD_MS_LIMITS
        self._lead_samples = min(max(lead_ms, least), most) * self._rate_hz // 1000

    def reset(self) -> None:
        """Nothing was sent: for a new answer, or after the client was told to drop what it had."""
        self._before_samples = 0
        self._run_samples = 0
        self._run_started_s = 0.0

    def sent(self, samples: int, now: float) -> None:
        """`samples` more have left."""
        if self._played_of_run(now) >= self._run_samples:
            self._before_samples += self._run_samples
            self._run_samples = 0
            self._run_started_s = now
        self._run_samples += samples

    def heard_samples(self, now: float) -> int:
        """How many of the samples sent have been played by now: never more than sent, never going back."""
        return self._before_samples + min(self._run_samples, self._played_of_run(now))

    def room_samples(self, now: float) -> int:
        """How many may leave now without more than the lead being on its way."""
        return max(0, self._lead_samples - (self.sent_samples - self.heard_samples(now)))

    def next_due(self, now: float, samples: int = 1) -> float | None:
        """When there will be room for `samples`, or for the whole lead if they are more; None: now."""
        wanted = min(samples, self._lead_samples)
        if self.room_samples(now) >= wanted:
            return None
        return self._run_started_s + (self._run_samples + wanted - self._lead_samples) / self._rate_hz

    def finished_at(self) -> float | None:
        """When all that has been sent will have been played; None if nothing was sent."""
        if not self.sent_samples:
            return None
        return self._run_started_s + self._run_samples / self._rate_hz

    def _played_of_run(self, now: float) -> int:
        """Samples that a client that never ran dry would have played since the run began."""
        return max(0, int((now - self._run_started_s) * self._rate_hz + _ROUNDING_SAMPLES))
