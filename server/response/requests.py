"""Replies at the client's word: asked for, cancelled, and those that run beside the conversation.

A reply in text that the conversation never learns of (an *aside*) needs no floor: a few of them may run beside the
answer that is being spoken. Anything that has a voice must have the floor. A request that comes while the last answer
is complete for the client, but still being played, waits for the end of that (`server.response.pending`); its client
is told at once that its reply is created.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import anyio

from server.conversation.clips import Clips
from server.conversation.items import chosen
from server.domain.errors import ClientError
from server.domain.events import OutputCleared, ReplyEnded, ReplyStarted
from server.domain.ids import new_id
from server.domain.values import Reply, ReplyOptions, ReplyReason, SessionConfig
from server.response.answer import Answer
from server.response.answer_context import AnswerContext
from server.response.pending import Deed, Pending
from server.telemetry.timeline import Timeline
from server.turntaking.floor import Floor, FloorEvent, RunId, State
from server.turntaking.question import Question

log = logging.getLogger(__name__)

MAX_ASIDES = 4
"""Replies beside the conversation at once: each is a request to the language model."""

ASIDE_S = 60.0
"""How long one of them may take."""

_THINKING = (State.THINKING, State.HESITATING)
_ANSWERING = (*_THINKING, State.SPEAKING, State.DUCKED, State.PAUSED)


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What requests need of their session."""

    floor: Floor
    feed: Callable[[FloorEvent, Question | None], None]
    config: Callable[[], SessionConfig]
    answer: Callable[[], Answer | None]
    """The one that has, or last had, the floor."""
    of_answers: AnswerContext
    clips: Clips
    spawn: Callable[..., object]
    """Start a task of the session's."""


@dataclass(slots=True)
class Requests:
    """What one client asks of the server's answers. Plain calls; nothing here waits."""

    context: RequestContext
    pending: Pending = field(default_factory=Pending)
    _asides: dict[str, Answer] = field(default_factory=dict)

    def create(self, options: ReplyOptions) -> None:
        """Answer now. Raises ClientError while another answer has the floor, or for items that are not there."""
        about = chosen(options.context, self.context.of_answers.conversation, self.context.clips)
        if not options.in_conversation and options.over(self.context.config()).modality == "text":
            self._start_aside(
                Question(options=options, ended_by="client", requested=True, about=about, is_aside=True)
            )
            return
        active = self._active()
        if active is not None:
            raise _already_active(active) if options.in_conversation else _voice_is_taken(active)
        config = options.over(self.context.config())
        reply = Reply(new_id("resp"), config.modality, options.metadata, config, options.in_conversation)
        question = Question(options=options, ended_by="client", requested=True, about=about, reply=reply)
        self.context.feed(FloorEvent.REPLY_REQUESTED, question)

    def keep(self, question: Question) -> None:
        """Let a question wait for the end of what is being played. Raises ClientError for a second request."""
        if question.reply is not None:
            question = replace(question, is_told=True)
        match self.pending.came(question):
            case Deed.ANNOUNCE if question.reply is not None:
                self.context.of_answers.outbound.put(ReplyStarted(question.reply))
            case Deed.REFUSE:
                raise _already_active(self._active() or "")

    def silence(self, reason: ReplyReason) -> None:
        """The request that waits, if there is one, gets no answer; its client is told. Turns wait on."""
        request = self.pending.silence()
        if request is not None and request.reply is not None:
            self.context.of_answers.outbound.put(ReplyEnded(request.reply, "cancelled", reason))

    def cancel(self, reply_id: str | None) -> None:
        """Stop a reply, or with None whatever is being said. Raises ClientError when there is none."""
        aside = self._asides.get(reply_id or "")
        if aside is not None:
            aside.scope.cancel()
            aside.interrupt("client_cancelled")
            return
        request, answer = self.pending.request, self.context.answer()
        if request is not None and request.reply is not None and reply_id in (None, request.reply.id):
            self.silence("client_cancelled")
            return
        known = answer is not None and answer.is_announced and reply_id in (None, answer.reply_id)
        if not known and (reply_id is not None or self.context.floor.state not in _THINKING):
            raise ClientError("response_cancel_not_active", "Cancellation failed: no active response found")
        self.context.feed(FloorEvent.CANCELLED, None)

    def clear_output(self) -> None:
        """Be silent at once, though the client may have been told all of the answer."""
        answer = self.context.answer()
        if answer is not None and self.context.floor.state in _ANSWERING:
            self.context.feed(FloorEvent.CANCELLED, None)
            self.context.of_answers.outbound.put(OutputCleared(answer.reply_id))
        self.silence("client_cancelled")

    def _active(self) -> str | None:
        """The id of the reply that another request must wait for the end of."""
        request, answer = self.pending.request, self.context.answer()
        if request is not None and request.reply is not None:
            return request.reply.id
        if answer is not None and (self.context.floor.state in _THINKING or answer.is_announced):
            return answer.reply_id
        return None

    def _start_aside(self, question: Question) -> None:
        if len(self._asides) >= MAX_ASIDES:
            raise ClientError(
                "too_many_responses",
                f"At most {MAX_ASIDES} responses beside the conversation run at once: wait until one is done.",
                type="rate_limit_error",
            )
        context = self.context.of_answers
        timeline = Timeline(RunId(0, 0), context.now())  # it has no turn
        answer = Answer(timeline, question, self.context.config(), context)
        self._asides[answer.reply_id] = answer
        answer.confirm()
        self.context.spawn(self._live, answer)

    async def _live(self, answer: Answer) -> None:
        try:
            answer.scope.deadline = anyio.current_time() + ASIDE_S
            with answer.scope:
                await answer.run()
            if answer.is_announced:
                answer.interrupt(None)  # it took too long
        except Exception:
            log.exception("a reply beside the conversation failed")
            answer.fail()
        finally:
            del self._asides[answer.reply_id]


def _voice_is_taken(reply_id: str) -> ClientError:
    return ClientError(
        "conversation_already_has_active_response",
        f"response.conversation: a session has one voice, and {reply_id} has it: wait until that is finished to have "
        'another reply spoken beside the conversation. One with "output_modalities": ["text"] need not wait.',
        param="response.conversation",
    )


def _already_active(reply_id: str) -> ClientError:
    return ClientError(
        "conversation_already_has_active_response",
        f"Conversation already has an active response in progress: {reply_id}. "
        "Wait until the response is finished before creating a new one.",
    )
