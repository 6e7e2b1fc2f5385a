"""Responses at the client's word: asked for, cancelled, and those that run beside the conversation.

A response in text that the conversation never learns of (an *out-of-band response*) needs no floor: a few of them may
run beside the one that is being spoken. Anything that has a voice must have the floor. A request that comes while
the last response is complete for the client, but still being played, waits for the end of that
(`server.response.pending`); its client is told at once that its response is created.
"""

import logging
from dataclasses import dataclass, field, replace

import anyio

from server.conversation.clips import Clips
from server.conversation.items import chosen
from server.domain.errors import ClientError, Fault
from server.domain.events import OutputCleared, ResponseEnded, ResponseStarted
from server.domain.values import ConfigInForce, ResponseOptions, ResponseReason
from server.response.context import ResponseContext
from server.response.holder import FloorHolder
from server.response.pending import Pending, PendingAction
from server.response.run import ResponseRun, new_response
from server.telemetry.timeline import Timeline
from server.turntaking.floor import RunId
from server.turntaking.floor_table import Fact, FloorEvent
from server.turntaking.happened import Happened
from server.turntaking.inbox import FloorInbox
from server.turntaking.question import Question

log = logging.getLogger(__name__)

MAX_OUT_OF_BAND = 4
"""Responses beside the conversation at once: each is a request to the language model."""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What requests need of their session."""

    inbox: FloorInbox
    config: ConfigInForce
    holder: FloorHolder
    of_responses: ResponseContext
    clips: Clips


@dataclass(slots=True)
class Requests:
    """The requests of one client for responses. Plain calls; nothing here waits."""

    context: RequestContext
    pending: Pending = field(default_factory=Pending)
    _out_of_band: dict[str, ResponseRun] = field(default_factory=dict)

    def create(self, options: ResponseOptions) -> None:
        """Make a response now. Raises ClientError while another has the floor, or for items that are not there."""
        about = chosen(options.context, self.context.of_responses.conversation, self.context.clips)
        if not options.in_conversation and options.over(self.context.config.current).modality == "text":
            self._start_out_of_band(
                Question(options=options, ended_by="client", requested=True, about=about, is_out_of_band=True)
            )
            return
        question = Question(options=options, ended_by="client", requested=True, about=about)
        response = new_response(question, self.context.config.current, self.context.of_responses)
        question = replace(question, response=response)
        self.context.inbox.feed(Happened(FloorEvent.RESPONSE_REQUESTED, self._facts(), question))

    def refuse(self, happened: Happened) -> None:
        """What the client asked for cannot be had now: raises the ClientError that says why."""
        if happened.event is FloorEvent.CANCELLED:
            raise _not_active()
        if happened.question is not None and happened.question.response is not None:
            in_conversation = happened.question.options.in_conversation
            raise _already_active(self._active()) if in_conversation else _voice_is_taken(self._active())

    def keep(self, question: Question) -> None:
        """Let a question wait for the end of what is being played. Raises ClientError for a second request."""
        if question.response is not None:
            question = replace(question, is_told=True)
        match self.pending.came(question):
            case PendingAction.ANNOUNCE if question.response is not None:
                self.context.of_responses.outbound.put(ResponseStarted(question.response))
            case PendingAction.REFUSE:
                raise _already_active(self._active())

    def silence(self, reason: ResponseReason) -> None:
        """The request that waits, if there is one, gets no answer; its client is told. Turns wait on."""
        request = self.pending.silence()
        if request is not None and request.response is not None:
            self.context.of_responses.outbound.put(ResponseEnded(request.response, "cancelled", reason))

    def cancel(self, response_id: str | None) -> None:
        """Stop a response, or with None whatever is being said. Raises ClientError when there is none."""
        out_of_band = self._out_of_band.get(response_id or "")
        if out_of_band is not None:
            out_of_band.scope.cancel()
            out_of_band.interrupt("client")
            return
        request, response = self.pending.request, self.context.holder.response
        if (
            request is not None
            and request.response is not None
            and response_id in (None, request.response.id)
        ):
            self.silence("client")
            return
        known = response is not None and response.is_announced and response_id in (None, response.response_id)
        if response_id is not None and not known:
            raise _not_active()
        self.context.inbox.feed(Happened(FloorEvent.CANCELLED, self._facts()))

    def clear_output(self) -> None:
        """Be silent at once, though the client may have been told all of the response."""
        self.context.inbox.feed(Happened(FloorEvent.SILENCED))
        self.silence("client")

    def tell_cleared(self) -> None:
        """The response that had the floor has been silenced."""
        response = self.context.holder.response
        if response is not None:
            self.context.of_responses.outbound.put(OutputCleared(response.response_id))

    def _facts(self) -> frozenset[Fact]:
        request, response = self.pending.request, self.context.holder.response
        is_open = request is not None or (response is not None and response.is_announced)
        return frozenset({Fact.RESPONSE_OPEN} if is_open else ())

    def _active(self) -> str:
        """The id of the response that another request must wait for the end of."""
        request, response = self.pending.request, self.context.holder.response
        if request is not None and request.response is not None:
            return request.response.id
        return response.response_id if response is not None else ""

    def _start_out_of_band(self, question: Question) -> None:
        if len(self._out_of_band) >= MAX_OUT_OF_BAND:
            raise ClientError(
                Fault.TOO_MANY_RESPONSES,
                f"At most {MAX_OUT_OF_BAND} responses beside the conversation run at once: wait until one is done.",
                blame="limit",
            )
        context = self.context.of_responses
        timeline = Timeline(RunId(0, 0), context.now())  # it has no turn
        response = ResponseRun(timeline, question, self.context.config.current, context)
        self._out_of_band[response.response_id] = response
        response.confirm()
        self.context.of_responses.tasks.start(self._live, response)

    async def _live(self, response: ResponseRun) -> None:
        try:
            limit_s = self.context.of_responses.deadlines.out_of_band_s
            response.scope.deadline = anyio.current_time() + limit_s
            with response.scope:
                await response.run()
            if response.is_announced:
                response.interrupt(None)  # it took too long
        except Exception:
            log.exception("a response beside the conversation failed")
            response.fail()
        finally:
            del self._out_of_band[response.response_id]


def _voice_is_taken(response_id: str) -> ClientError:
    return ClientError(
        Fault.RESPONSE_IS_ACTIVE,
        f"A session has one voice, and {response_id} has it: wait until that is finished to have another spoken "
        "beside the conversation. One in text need not wait.",
        param="options.in_conversation",
    )


def _not_active() -> ClientError:
    return ClientError(Fault.NO_RESPONSE_IS_ACTIVE, "Cancellation failed: no active response found")


def _already_active(response_id: str) -> ClientError:
    return ClientError(
        Fault.RESPONSE_IS_ACTIVE,
        f"Conversation already has an active response in progress: {response_id}. "
        "Wait until the response is finished before creating a new one.",
    )
