"""What one run of the pipeline is given: the conversation as it is told, what is asked, and the configuration.

What was said must be known by then: `hear_earlier` and `hear_clips` wait for it.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import anyio

from server.conversation.asked import last_route, unanswered, unguarded
from server.conversation.clip_transcription import ClipTranscription
from server.conversation.context_window import fit, tokens_of
from server.conversation.history import messages
from server.conversation.memory import Conversation, Entry
from server.conversation.utterance import Utterance
from server.domain.mcp_tools import Offer, choice_among, tools_of
from server.domain.values import SessionConfig
from server.response.context import ResponseContext
from server.turntaking.question import Question
from stageflow.context import ContextSnapshot, Message
from stages.contract import (
    CLIENT_TOOLS,
    LANGUAGE,
    MAX_TOKENS,
    NAMED_ROUTE,
    PREVIOUS_ROUTE,
    SPEED,
    TOOL_CHOICE,
    UNGUARDED,
    UNPROMPTED,
    VOICE,
)
from stages.errors import ProviderError, ProviderTimeout
from stages.ports import Transcript
from stages.stt import SpokenTurn

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a run starts from."""

    snapshot: ContextSnapshot
    asked: Entry | None
    """The words that it answers."""
    judged: tuple[Entry, ...]
    """Those, and all before them that no guard has seen."""
    speech: SpokenTurn | None
    """Where those words come from, if they were not typed."""


async def hear_earlier(question: Question, context: ResponseContext, turn: int) -> None:
    """Wait for words that were spoken earlier, for as long as each utterance allows; if they cannot be had, the
    conversation goes on without, if something else is asked."""

    async def hear(utterance: Utterance) -> None:
        try:
            await utterance.final()
        except ProviderError:
            fields = {"session": context.session_id, "turn": turn}
            log.warning("an earlier utterance could not be recognised", extra=fields)

    earlier = [utterance for utterance in context.utterances.earlier() if utterance is not question.utterance]
    if not earlier:
        return
    async with anyio.create_task_group() as hearing:  # at once: their deadlines run side by side
        for utterance in earlier:
            hearing.start_soon(hear, utterance)


async def hear_clips(about: Conversation, clip_s: float) -> bool:
    """Wait for the words of all clips, those too that come meanwhile, up to `clip_s`; False if there was nothing to
    wait for."""
    if next(_unread(about), None) is None:
        return False
    with anyio.move_on_after(clip_s):
        while clip := next(_unread(about), None):
            await clip.known()
    return True


def prompt_of(
    question: Question,
    about: Conversation,
    config: SessionConfig,
    context: ResponseContext,
    waiting: Sequence[Entry] = (),
) -> Prompt:
    """What `question` asks about the conversation `about`; with clips that have not been transcribed, or where the
    words that it asks could not be had, it can only fail. `waiting` is what was unanswered before the server said that
    it takes a moment.

    Raises ClientError when the conversation is too long and may not be cut.
    """
    fit(about, config.truncation, context.max_context_tokens, _instructions_tokens(config))
    utterance = question.utterance
    last_id = utterance.item_id if utterance is not None else None
    open_entries = unanswered(about, last_id) or [entry for entry in waiting if about.find(entry.id)]
    asked = about.find(last_id) if last_id is not None else _typed(open_entries)
    if utterance is not None:
        told, typed = messages(about, upto=last_id), None
    else:
        told = messages(about, without=asked.id if asked else None)
        typed = asked.text if asked else ""
    before = tuple(entry for entry in unguarded(about, last_id) if entry is not asked and entry.text)
    if config.instructions:
        told = (Message(role="system", content=config.instructions), *told)
    snapshot = ContextSnapshot(
        input_text=typed,
        messages=told,
        session_id=context.session_id,
        user_id=context.user_id,
        metadata=_routing(context.conversation, config) | {UNGUARDED: tuple(entry.text for entry in before)},
    )
    # Words that are still to come would be judged unheard.
    judged = before if asked is None or typed == "" else (*before, asked)
    speech = _unheard(about, open_entries, context.deadlines.clip_s) or utterance
    if speech is None and asked is not None and typed == "":
        lost = context.utterances.lost(asked.id)
        speech = None if lost is None else _Unheard(lost)
    return Prompt(snapshot, asked, judged, speech)


def _routing(conversation: Conversation, config: SessionConfig) -> dict[str, object]:
    return {PREVIOUS_ROUTE: last_route(conversation), NAMED_ROUTE: config.model}


def _typed(open_entries: Sequence[Entry]) -> Entry | None:
    """What a request without speech asks: the last that has words, else the last."""
    with_words = (entry for entry in reversed(open_entries) if entry.text)
    return next(with_words, open_entries[-1] if open_entries else None)


def _instructions_tokens(config: SessionConfig) -> int:
    tools = (tokens_of(f"{tool.name} {tool.description} {tool.parameters}") for tool in config.tools)
    return tokens_of(config.instructions) + sum(tools)


def run_config(
    question: Question, config: SessionConfig, offer: Offer, language: str | None
) -> dict[str, object]:
    """What the stages read of the session's configuration; `offer` are the MCP tools that there are, `language` is what
    the client has chosen."""
    return {
        LANGUAGE: language,
        VOICE: None if config.voice == "default" else config.voice,
        SPEED: config.speed,
        MAX_TOKENS: config.max_output_tokens,
        UNPROMPTED: question.requested,
        CLIENT_TOOLS: (*config.tools, *tools_of(offer)),
        TOOL_CHOICE: choice_among(offer, config.tool_choice),
    }


@dataclass(frozen=True, slots=True)
class _Unheard:
    """A turn with words that could not be recognised: the `stt` stage fails with what went wrong."""

    error: ProviderError

    async def final(self) -> Transcript:
        raise self.error


def _unheard(about: Conversation, entries: Sequence[Entry], clip_s: float) -> _Unheard | None:
    if next(_unread(about), None):
        # In an older item too: words that come later would be told under the verdict on the others.
        return _Unheard(ProviderTimeout(f"the recogniser took longer than {clip_s:g} s for the clips"))
    outcomes = (clip.outcome for entry in entries for clip in entry.clips)
    return next((_Unheard(outcome) for outcome in outcomes if isinstance(outcome, ProviderError)), None)


def _unread(about: Conversation) -> Iterator[ClipTranscription]:
    return (clip for entry in about for clip in entry.clips if clip.outcome is None)
