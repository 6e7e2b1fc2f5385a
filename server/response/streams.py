"""The output streams of one response, one after the other: mostly one, and another for what is said instead or next."""

from server.output.stream import OutputStream
from server.response.context import ResponseContext
from server.response.delivery import Delivery, Messages
from server.response.events import ResponseEvents
from server.response.run_limits import RunLimits
from server.telemetry.timeline import Timeline
from server.turntaking.floor_table import FloorEvent
from server.turntaking.happened import Happened


class ResponseStreams:
    """The output streams of one response: made, exchanged and silenced here, where it is known what was heard. Plain
    calls, but for `heard_out`."""

    def __init__(
        self,
        events: ResponseEvents,
        messages: Messages,
        timeline: Timeline,
        context: ResponseContext,
        *,
        limits: RunLimits,
        is_out_of_band: bool,
    ) -> None:
        self._events = events
        self._messages = messages
        self._timeline = timeline
        self._context = context
        self._limits = limits
        self._is_out_of_band = is_out_of_band
        self._silent_until = 0.0
        """Until then something else of the same response is being played."""
        self.delivery = self._new_delivery()

    @property
    def current(self) -> OutputStream:
        """The way out of what is being said now."""
        return self.delivery.output

    def renew(self, *, is_open: bool) -> None:
        """Go on in another stream, which is paused if this one is."""
        is_paused = self.current.pacer.is_paused
        self.delivery = self._new_delivery()
        if is_paused:
            self.current.pacer.pause(self._context.now())
        if is_open:
            self.current.commit()

    def silence(self) -> None:
        """Nothing of it leaves any more, and what the client holds of it is thrown away."""
        if self._is_out_of_band:
            self.current.shut()
        else:
            self._context.outbound.flush()

    def wait_until(self, at: float) -> None:
        """Let no audio out before: something else of the response is being played until then."""
        self._silent_until = at
        self.current.begins_at = at

    async def heard_out(self) -> None:
        """Return when the stream has been let out and all in it has been played. Cancel-safe."""
        await self.current.opened.wait()
        await self.current.sent()
        await self.current.played()

    def heard_samples(self) -> int:
        """How much of what is being said has been heard."""
        return self.current.pacer.heard_samples(self._heard_at())

    def left_s(self) -> float:
        """For how long what was said first will still be heard."""
        return max(0.0, self._silent_until - self._heard_at())

    def _heard_at(self) -> float:
        """When what is being heard now was sent, if it has come without delay."""
        return self._context.now() - self._context.link.latency_s / 2

    def _new_delivery(self) -> Delivery:
        outbound, format = self._context.outbound, self._events.response.config.output_format
        stream = (
            outbound.out_of_band(format)
            if self._is_out_of_band
            else outbound.output(format, self._became_audible)
        )
        stream.begins_at = self._silent_until
        return Delivery(stream, self._events, self._messages, self._timeline, self._limits, self._context)

    def _became_audible(self) -> None:
        self._timeline.mark("first_audio", self._context.now())
        self._context.inbox.feed(Happened(FloorEvent.AUDIBLE, run=self._timeline.run))
