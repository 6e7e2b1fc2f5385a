"""Sorts a chat model's text, delta by delta, into what is said, what is thought and what is a call of a tool. Pure.

A server that does not know its model's format passes its markup on: thoughts between tags of many kinds, the control
tokens of chat templates, calls of tools as text. Nobody wants to hear any of it. A marker may be cut anywhere, so
the end of a delta that may yet become one is held back, and nothing else is, with three exceptions at the beginning
of an answer: what begins as thoughts do that have no opening tag, what comes from a model that has left it out
before, and, where tools were offered, what begins as JSON or as a call in code.
"""

import re
from collections.abc import Collection, Iterator
from enum import Enum, auto

from stages.text.called_text import calls_in
from stages.text.markers import MARKER, begun_marker


class Channel(Enum):
    """Whom a piece of the text is for."""

    SAID = auto()
    THOUGHT = auto()
    CALL = auto()


Piece = tuple[Channel, str]

_OPENS_THOUGHT = {
    "think",
    "thinking",
    "begin_of_thought",
    "begin_of_thinking",
    "start_of_thinking",
    "start_thinking",
}
_SHUTS_THOUGHT = {"/think", "/thinking", "end_of_thought", "end_of_thinking", "end_thinking"}
_OPENS_CALL = {"python_tag", "python_start", "start_action", "action_start"}
_OPENS_HEADER = {"start", "channel", "im_start", "start_header_id", "constrain"}
_SHUTS_HEADER = {"message", "end_header_id", "im_sep"}
_TO = re.compile(r"\bto=([\w.:-]+)")
_THINKERS = tuple(
    begin + subject
    for begin in ("", "okay, ", "ok, ", "okay, so ", "alright, ", "hmm, ", "so ", "first, ")
    for subject in ("the user ", "the user's ")
)
"""How reasoning models begin to think, and hardly any answer does."""
_ROLE = "assistant:"
_BARE_CALL = re.compile(
    r"(?:\{|\[\s*\{|\[\s*\w[\w.]*\(|```(?:json|tool_call|tool_code)?\s*[{\[]|```tool_code\s)"
)
_BARE_CALL_BEGUN = re.compile(r"(?:\[\s*|\[\s*\w[\w.]{0,60}|`{1,3}|```[a-z_]{0,9}\s*)\Z")
_GLUED = "analysis"
_GLUED_END = "assistantfinal"
_GLUED_CALL = re.compile(r"to=(?:functions\.)?([\w.-]+)\s*(?:json|code)?\s*(\{.*)", re.DOTALL)
"""A message of several channels of which a server has left the control tokens out, and nothing between the rest."""


class _State(Enum):
    OPENING = auto()  # nothing has been said yet; white space here belongs to nothing
    GLUED = auto()  # thoughts, until the last channel begins
    PRESUMED = auto()  # thoughts, if a closing tag comes; otherwise the answer
    SAYING = auto()
    THINKING = auto()
    HEADER = auto()  # between control tokens: whose message follows, and on which channel
    CALLING = auto()
    BARE_CALL = auto()  # a call without any tag, if it turns out to be one


class AnswerText:
    """One answer on its way through."""

    def __init__(self, tools: Collection[str] = (), *, thinks_first: bool = False) -> None:
        """`tools` are the names that were offered; `thinks_first` says that the model leaves the opening tag out."""
        self._tools = tools
        self._state = _State.PRESUMED if thinks_first else _State.OPENING
        self._held = ""  # what may yet become a marker
        self._kept = ""  # what is not decided yet, or belongs to an unfinished call or header
        self._is_first = True
        self._last = ""
        """The last letter that was said."""
        self.left_tag_out = False
        """Whether a thought was closed that had not been opened."""

    def push(self, delta: str) -> list[Piece]:
        """What is certain by now of `delta`, and of what was held back before it."""
        return list(self._read(self._held + delta, at_end=False))

    def flush(self) -> list[Piece]:
        """The answer is over: what was held back is what it looks like."""
        return [*self._read(self._held, at_end=True), *self._finish()]

    def _read(self, text: str, *, at_end: bool) -> Iterator[Piece]:
        while match := MARKER.search(text):
            yield from self._take(text[: match.start()])
            if not match["around"]:
                yield from self._mark(match)
            text = text[match.end() :]
        self._held = "" if at_end else text[begun_marker(text) :]
        yield from self._take(text[: len(text) - len(self._held)])

    def _take(self, text: str) -> Iterator[Piece]:
        """Text without a marker in it."""
        if not text:
            return
        match self._state:
            case _State.SAYING:
                self._last = text[-1]
                yield Channel.SAID, text
            case _State.THINKING:
                yield Channel.THOUGHT, text
            case _State.OPENING:
                yield from self._open(text)
            case _State.GLUED:
                thought, end, rest = (self._kept + text).partition(_GLUED_END)
                self._kept = thought
                yield Channel.THOUGHT, ""
                if end:
                    yield from self._begin(_State.OPENING)
                    yield from self._take(rest)
            case _State.HEADER:
                head, newline, rest = text.partition("\n")
                self._kept += head
                if newline:
                    yield from self._end_header()
                    yield from self._take(rest)
            case _:
                self._kept += text
                yield Channel.THOUGHT, ""

    def _open(self, text: str) -> Iterator[Piece]:
        text = self._kept + text
        gap = " " if self._last and not self._last.isspace() and text[:1].isspace() else ""
        text = text.lstrip()
        self._kept = gap + text
        low = text.lower()
        if low.startswith(_ROLE):
            self._kept = ""
            yield from self._open(text[len(_ROLE) :])
        elif self._is_first and low.startswith(_THINKERS):
            self._state = _State.PRESUMED
        elif self._is_first and text.startswith(_GLUED) and text[len(_GLUED) :][:1].isalnum():
            self._state = _State.GLUED
            self._kept = ""
            yield from self._take(text)
        elif self._tools and _BARE_CALL.match(text):
            self._state = _State.BARE_CALL
        elif not self._may_go_on(low):
            self._state, self._kept = _State.SAYING, ""
            yield from self._take(gap + text)

    def _may_go_on(self, low: str) -> bool:
        """Whether the beginning of an answer may still turn out to be something else."""
        starts = (_ROLE, _GLUED, *_THINKERS) if self._is_first else (_ROLE,)
        return (
            not low
            or any(start.startswith(low) for start in starts)
            or bool(self._tools and _BARE_CALL_BEGUN.match(low))
        )

    def _mark(self, match: re.Match[str]) -> Iterator[Piece]:
        """A marker, which changes what the text after it is."""
        control = (match["control"] or "").lower()
        bracket = match["bracket"] or ""
        if match["thought"] or bracket or control in _OPENS_THOUGHT | _SHUTS_THOUGHT:
            shuts = match["shuts_thought"] or "/" in bracket or bracket == "<channel|>"
            yield from self._think(opens=not (shuts or control in _SHUTS_THOUGHT))
        elif match["details"]:
            yield from self._details(match)
        elif match["call"] or match["function"] or match["mistral"] or "tool" in control:
            yield from self._call(match, control)
        elif control in _OPENS_CALL:
            yield from self._begin(_State.CALLING)
        elif control in _OPENS_HEADER or match["turn"]:
            if self._state is not _State.HEADER:
                yield from self._begin(_State.HEADER)
            self._kept += " "
        elif control in _SHUTS_HEADER:
            yield from self._end_header()
        elif self._state is _State.THINKING:
            self._state = _State.OPENING
        elif self._state is _State.CALLING and self._kept.strip():
            yield from self._begin(_State.OPENING)

    def _think(self, *, opens: bool) -> Iterator[Piece]:
        if opens:
            yield from self._begin(_State.THINKING)
            return
        if self._state is _State.PRESUMED:
            thought, self._kept = self._kept, ""
            yield Channel.THOUGHT, thought
        self.left_tag_out = self.left_tag_out or self._state is not _State.THINKING
        yield from self._begin(_State.OPENING)

    def _details(self, match: re.Match[str]) -> Iterator[Piece]:
        if "reasoning" in (match["attributes"] or ""):
            yield from self._begin(_State.THINKING)
        elif match["shuts_details"] and self._state is _State.THINKING:
            yield from self._begin(_State.OPENING)
        else:
            yield from self._take(match[0])

    def _call(self, match: re.Match[str], control: str) -> Iterator[Piece]:
        function = match["function"] or ""
        shuts = match["shuts_call"] or control.startswith("/") or ("calls" in control and "end" in control)
        if self._state is not _State.CALLING:
            if not shuts and not function.startswith("</"):
                yield from self._begin(_State.CALLING)
                self._kept += function
        elif shuts:
            yield from self._begin(_State.OPENING)
        else:
            self._kept += function or "\n"

    def _begin(self, state: _State) -> Iterator[Piece]:
        """Go over to `state`; gives what was kept until now."""
        yield from self._finish()
        self._state, self._is_first = state, False

    def _end_header(self) -> Iterator[Piece]:
        if self._state is not _State.HEADER:
            return
        head, self._kept = self._kept, ""
        if to := _TO.search(head):
            self._state, self._kept = _State.CALLING, f"{to[1]}\n"
        else:
            self._state = _State.THINKING if "analysis" in head else _State.OPENING
        yield Channel.THOUGHT, ""

    def _finish(self) -> Iterator[Piece]:
        kept, self._kept = self._kept, ""
        if not kept.strip():
            return
        if self._state is _State.CALLING or (self._state is _State.BARE_CALL and self._are_calls(kept)):
            yield Channel.CALL, kept
        elif self._state is _State.GLUED:
            call = _GLUED_CALL.search(kept)
            yield (Channel.CALL, f"{call[1]}\n{call[2]}") if call else (Channel.THOUGHT, kept)
        elif self._state is not _State.HEADER:
            self._last = kept[-1]
            yield Channel.SAID, kept

    def _are_calls(self, text: str) -> bool:
        calls = calls_in(text)
        return bool(calls) and all(name in self._tools for name, _ in calls)
