"""How much speech may be on its way, and how much of it has been heard by now.

The server makes speech faster than anybody listens. What has been sent cannot be taken back, so only a lead
beyond what has been played may leave: enough to cover the network's jitter, little enough that falling silent
is quick and that we know which words were heard.
"""

import math

LEAD_MS_LIMITS = (200, 5000)
"""Least and most lead: with less, jitter is heard; with more, speech is made that is likely never to be heard."""

_ROUNDING_SAMPLES = 1e-3
"""Added before rounding down, so that at the moment `next_due` names there is room, floats or not."""


class Pacer:
    """The account of one stream of speech to one client. `now` is any clock in seconds that never goes back.

    The estimate: playout starts the moment the first sample is sent and goes on while there is something to
    play. When it runs dry (an underrun, or a pause between two sentences), what is sent next starts a new
    run. `pause` holds it where it is, `resume` lets it go on with the next sample.
    """

    __slots__ = (
        "_before_samples",
        "_lead_samples",
        "_paused_s",
        "_rate_hz",
        "_run_samples",
        "_run_started_s",
    )

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
        self._paused_s = math.inf

    @property
    def is_paused(self) -> bool:
        """Whether playout is held."""
        return self._paused_s < math.inf

    def pause(self, now: float) -> None:
        """The client holds its playout from `now` on. Pausing twice counts from the first time."""
        self._paused_s = min(self._paused_s, now)

    def resume(self, now: float) -> None:
        """The client goes on with the sample at which it was held."""
        if self.is_paused:
            self._run_started_s += max(0.0, now - max(self._paused_s, self._run_started_s))
            self._paused_s = math.inf

    def played(self, samples: int, now: float) -> None:
        """The client says how many samples it had played at `now`: from here on the estimate goes on from there."""
        sent = self.sent_samples
        self._before_samples = min(max(samples, 0), sent)
        self._run_samples = sent - self._before_samples
        self._run_started_s = now

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
        """When there will be room for `samples`, or for the whole lead if they are more; None: now.

        Infinite while playout is held.
        """
        # Asked twice for every chunk: so many samples of the run must have been played, and no more need be known.
        wanted = self._run_samples + min(samples, self._lead_samples) - self._lead_samples
        played_s = min(now, self._paused_s) - self._run_started_s
        if wanted <= 0 or played_s * self._rate_hz + _ROUNDING_SAMPLES >= wanted:
            return None
        return math.inf if self.is_paused else self._run_started_s + wanted / self._rate_hz

    def finished_at(self) -> float | None:
        """When all that has been sent will have been played; None if nothing was sent.

        Infinite while playout is held before that.
        """
        if not self.sent_samples:
            return None
        if self._played_of_run(self._paused_s) < self._run_samples:
            return math.inf
        return self._run_started_s + self._run_samples / self._rate_hz

    def _played_of_run(self, now: float) -> int:
        """Samples that a client that never ran dry would have played since the run began."""
        played_s = min(now, self._paused_s) - self._run_started_s
        return (
            self._run_samples
            if played_s == math.inf
            else max(0, int(played_s * self._rate_hz + _ROUNDING_SAMPLES))
        )
