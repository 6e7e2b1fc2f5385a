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

from stages.text.acted_text import ANSWER, Place, acts_in
from stages.text.called_text import are_calls, are_words
from stages.text.markers import MARKER, Sense, begun_marker, sense_of


class Channel(Enum):
    """Whom a piece of the text is for."""

    SAID = auto()
    THOUGHT = auto()
    CALL = auto()


Piece = tuple[Channel, str]

_TO = re.compile(r"\bto=([\w.:-]+)")
_THINKERS = tuple(
    begin + subject
    for begin in ("", "okay, ", "ok, ", "okay, so ", "alright, ", "hmm, ", "so ", "first, ")
    for subject in ("the user ", "the user's ")
)
"""How reasoning models begin to think, and hardly any answer does."""
_ROLE = "assistant:"
_THOUGHT = "thought:"
"""Of a model that writes line by line what it thinks, what it does and what it answers."""
_BARE_CALL = re.compile(
    r"(?:\{|\[\s*\{|\[\s*\w[\w.]*\(|```(?:json|tool_call|tool_code)?\s*[{\[]|```tool_code\s)"
)
_BARE_CALL_BEGUN = re.compile(r"(?:\[\s*|\[\s*\w[\w.]{0,60}|`{1,3}|```[a-z_]{0,9}\s*)\Z")
_GLUED = "analysis"
_GLUED_END = re.compile("assistantfinal")
_GLUED_CALL = re.compile(r"to=(?:functions\.)?([\w.-]+)\s*(?:json|code)?\s*(\{.*)", re.DOTALL)
"""A message of several channels of which a server has left the control tokens out, and nothing between the rest."""
_LABEL_CHARS = 64
"""What ends a thought is never longer."""


class _State(Enum):
    OPENING = auto()  # nothing has been said yet; white space here belongs to nothing
    GLUED = auto()  # thoughts, until the last channel begins
    PRESUMED = auto()  # thoughts, if a closing tag comes; otherwise the answer
    SAYING = auto()
    THINKING = auto()
    HEADER = auto()  # between control tokens: whose message follows, and on which channel
    CALLING = auto()
    REASONING = auto()  # thoughts, until a line says what is done or answered; otherwise the answer
    ACTING = auto()  # a call in lines, to the end of the answer: whatever follows is made up
    BARE_CALL = auto()  # a call without any tag, if it turns out to be one


_BEGINS = {Sense.CALL: _State.CALLING, Sense.RESULT: _State.THINKING}
_KEPT = {Sense.QUOTE: "<escape>", Sense.ARGUMENTS: "\n"}


class AnswerText:
    """One answer on its way through."""

    def __init__(self, tools: Collection[str] = (), *, thinks_first: bool = False) -> None:
        """`tools` are the names that were offered; `thinks_first` says that the model leaves the opening tag out."""
        self._tools = tools
        self._state = _State.PRESUMED if thinks_first else _State.OPENING
        self._held = ""  # what may yet become a marker
        self._kept = ""  # what is not decided yet, or belongs to an unfinished call or header
        self._before = ""
        """The letter in front of what was held back: a marker may want a space there."""
        self._is_first = True
        self._last = ""
        """The last letter that was said."""
        self._acts_at = Place.ALONE
        self.left_tag_out = False
        """Whether a thought was closed that had not been opened."""

    def push(self, delta: str) -> list[Piece]:
        """What is certain by now of `delta`, and of what was held back before it."""
        return list(self._read(self._held + delta, at_end=False))

    def flush(self) -> list[Piece]:
        """The answer is over: what was held back is what it looks like."""
        pieces = list(self._read(self._held, at_end=True))
        if self._state is _State.CALLING and are_words(self._kept):
            self._state = _State.SAYING  # of the tag itself
        return [*pieces, *self._finish()]

    def _read(self, text: str, *, at_end: bool) -> Iterator[Piece]:
        text, at = self._before + text, len(self._before)
        while match := MARKER.search(text, at):
            if self._state is not _State.ACTING:
                yield from self._take(text[at : match.start()])
                yield from self._mark(match)
            else:
                self._kept += text[at : match.end()]
            text, at = text[match.end() :], 0
        end = len(text) if at_end else max(at, begun_marker(text))
        self._held, self._before = text[end:], text[:end][-1:]
        yield from self._take(text[at:end])

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
                yield from self._think_until(_GLUED_END, text)
            case _State.REASONING:
                yield from self._think_until(ANSWER, text)
            case _State.HEADER:
                head, newline, rest = text.partition("\n")
                self._kept += head
                if newline:
                    yield from self._header(ends=True)
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
        elif self._is_first and low.startswith(_THOUGHT):
            self._state, self._kept = _State.REASONING, ""
            yield from self._take(gap + text)
        elif self._is_first and text.startswith(_GLUED) and text[len(_GLUED) :][:1].isalnum():
            self._state = _State.GLUED
            self._kept = ""
            yield from self._take(text)
        elif self._tools and _BARE_CALL.match(text):
            self._state = _State.BARE_CALL
        elif not _may_go_on(low, self._tools, is_first=self._is_first):
            self._state, self._kept = _State.SAYING, ""
            yield from self._take(gap + text)

    def _think_until(self, end: re.Pattern[str], text: str) -> Iterator[Piece]:
        seen = max(0, len(self._kept) - _LABEL_CHARS)  # thoughts are long, and come by the token
        self._kept += text
        yield Channel.THOUGHT, ""
        if found := end.search(self._kept, seen):
            rest = self._kept[found.end() :]
            self._kept = self._kept[: found.start()]
            yield from self._begin(_State.OPENING)
            yield from self._take(rest)

    def _mark(self, found: re.Match[str]) -> Iterator[Piece]:
        """A marker, which changes what the text after it is."""
        match sense_of(found):
            case Sense.THOUGHT | Sense.THOUGHT_OVER as sense:
                yield from self._think(opens=sense is Sense.THOUGHT)
            case Sense.CALL_TAG | Sense.CALL_TAG_OVER as sense:
                yield from self._call(found["function"] or "", shuts=sense is Sense.CALL_TAG_OVER)
            case Sense.ACT:
                yield from self._act(found)
            case Sense.HEADER | Sense.HEADER_OVER as sense:
                yield from self._header(ends=sense is Sense.HEADER_OVER)
            case sense if sense in _BEGINS:
                yield from self._begin(_BEGINS[sense])
            case sense if sense in _KEPT:
                self._kept += _KEPT[sense]
            case Sense.PLAIN:
                yield from self._take(found[0])
            case Sense.DETAILS_OVER if self._state is not _State.THINKING:
                yield from self._take(found[0])
            case Sense.OVER | Sense.DETAILS_OVER:
                yield from self._end()

    def _end(self) -> Iterator[Piece]:
        if self._state is _State.THINKING or (self._state is _State.CALLING and self._kept.strip()):
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

    def _call(self, function: str, *, shuts: bool) -> Iterator[Piece]:
        if self._state is not _State.CALLING:
            if not shuts and not function.startswith("</"):
                yield from self._begin(_State.CALLING)
                self._kept += function
        elif shuts:
            yield from self._begin(_State.OPENING)
        else:
            self._kept += function or "\n"

    def _act(self, found: re.Match[str]) -> Iterator[Piece]:
        """What may be a call in lines. `Action: run(s)` is none if there is no such tool, or within a sentence."""
        if self._state is _State.REASONING or (not self._last and not self._kept.strip()):
            place = Place.ALONE
        else:
            front = found.string[: found.start()][-1:]
            place = Place.LINE if front == "\n" or self._state is _State.OPENING else Place.SENTENCE
        has_brackets = found["inline"] is not None and found.string[found.end()] != "{"
        is_offered = found["inline"] is None or found["actor"] in (*self._tools, "Finish")
        if not is_offered or (has_brackets and place is Place.SENTENCE):
            yield from self._take(found[0])
        else:
            yield from self._begin(_State.ACTING)
            self._kept, self._acts_at = found[0], place

    def _begin(self, state: _State) -> Iterator[Piece]:
        """Go over to `state`; gives what was kept until now."""
        if self._state is _State.REASONING:
            self._state = _State.THINKING
        yield from self._finish()
        self._state, self._is_first = state, False

    def _header(self, *, ends: bool) -> Iterator[Piece]:
        if not ends:
            if self._state is not _State.HEADER:
                yield from self._begin(_State.HEADER)
            self._kept += " "
        if not ends or self._state is not _State.HEADER:
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
        match self._state:
            case _State.CALLING:
                yield Channel.CALL, kept
            case _State.BARE_CALL if are_calls(kept, self._tools):
                yield Channel.CALL, kept
            case _State.ACTING:
                calls, said = acts_in(kept, self._tools, self._acts_at)
                written = [f'{{"name": "{name}", "arguments": {arguments}}}' for name, arguments in calls]
                if said:
                    yield Channel.SAID, said
                if calls or not said:
                    yield Channel.CALL, " ".join(written)
            case _State.GLUED:
                call = _GLUED_CALL.search(kept)
                yield (Channel.CALL, f"{call[1]}\n{call[2]}") if call else (Channel.THOUGHT, kept)
            case _State.THINKING:
                yield Channel.THOUGHT, kept
            case _State.HEADER:
                return
            case _:
                self._last = kept[-1]
                yield Channel.SAID, kept


def _may_go_on(low: str, tools: Collection[str], *, is_first: bool) -> bool:
    """Whether the beginning of an answer may still turn out to be something else."""
    starts = (_ROLE, _GLUED, _THOUGHT, *_THINKERS) if is_first else (_ROLE,)
    return (
        not low
        or any(start.startswith(low) for start in starts)
        or bool(tools and _BARE_CALL_BEGUN.match(low))
    )
