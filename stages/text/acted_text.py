"""Reads the calls of a model that writes what it does line by line: `Thought:`, `Action:`, `Action Input:`. Pure.

What such a model makes up as an `Observation:` is not what the tool says, nor is what follows of it: both are left out.
People write such words too, in recipes, plays and films: the more there is around them, the more they must look like a
call to be one.
"""

import json
import re
from collections.abc import Container, Iterator, Sequence
from enum import Enum, auto

from stages.text.called_text import Call, calls_in, whole_object

ACT = r"""(?:(?<!\S)\*{0,2}Action|(?<![^\n])\*{0,2}(?P<thing>Tool|Function))\*{0,2}:\*{0,2}[ \t]{0,4}
    (?:`?(?P<actor>Final\ Answer|[A-Za-z_][\w.-]{0,63})`?
        (?:(?P<inline>[ \t]?(?=\{)|(?=[(\[]))
            |[ \t]{0,4}(?:\r?\n){1,3}[ \t]{0,4}\*{0,2}(?P<own>(?:Action|Tool|Function)[ _])?
                (?:Input|Arguments|Args|Parameters)\*{0,2}:)
        |\s{0,6}(?=```(?:json)?\s{0,4}[\[{]))"""
"""A label and a name with the label of its input or a bracket behind it, or with JSON in a fence. Verbose, any case."""

_ACT = re.compile(ACT, re.VERBOSE | re.IGNORECASE)
_RESULT = re.compile(r"(?:\A|\n)[ \t]*\**Observation\**:", re.IGNORECASE)
ANSWER = re.compile(r"(?:\A|\n)[ \t]*\**(?:Final )?Answer\**:", re.IGNORECASE)
_ENDS = ("finish", "final answer")
_NONE = ("none", "no_action")
_THOUGHT = re.compile(r"(?:\A|\n)[ \t]*\**Thought\**:", re.IGNORECASE)
_FENCED = re.compile(r"\A\W*```\w*\s*(.*?)\s*```", re.DOTALL)
_IN_BRACKETS = re.compile(r"[(\[]([^][(){}\n]*)[)\]][\s*`.]*")
_QUOTED = re.compile(r"""\A\s*(["'])((?:(?!\1).)*)\1\s*\Z""")
_MARKS = "*` \t\r\n."


class Place(Enum):
    """Where in an answer a call in lines begins."""

    ALONE = auto()  # at its beginning, or after a thought in lines
    LINE = auto()  # in a line of its own, after something else
    SENTENCE = auto()


def acts_in(text: str, tools: Container[str], place: Place = Place.ALONE) -> tuple[Sequence[Call], str]:
    """The calls in `text`, which begins at `place` with what may be one; and what is said: all in front of the first
    that is one, or the answer where an action is that there is none."""
    for act in _ACT.finditer(text):
        begun = text[act.start() :]
        if act.start():
            place = Place.LINE if text[: act.start()].rstrip(" \t").endswith("\n") else Place.SENTENCE
        name = (act["actor"] or "").lower()
        if name in (*_ENDS, *_NONE) and place is not Place.SENTENCE:
            return (), text[: act.start()] + _answer(begun[len(act[0]) :], name)
        if _is_call(act, _given(text, act), tools, place):
            return list(_calls(_RESULT.split(begun)[0])), text[: act.start()]
    return (), text


def _answer(rest: str, name: str) -> str:
    """What is said where the action is called `name`, which is none."""
    if answer := ANSWER.search(rest):
        return rest[answer.end() :].strip()
    return "" if name in _NONE else _RESULT.split(rest)[0].strip(" \t\r\n*[]()")


def _given(text: str, act: re.Match[str]) -> str:
    """What stands behind an act, up to what is another or a result."""
    given = _ACT.split(text[act.end() :], maxsplit=1)[0]
    for ends in (_RESULT, ANSWER, _THOUGHT):
        given = ends.split(given, maxsplit=1)[0]
    return given


def _is_call(act: re.Match[str], given: str, tools: Container[str], place: Place) -> bool:
    """Whether what looks like an act is one: in a sentence, a tool and an object or a line with the label of its input,
    and nothing else; in a line of its own, an object, code or what has that label; and where they are all there is,
    words in brackets or with the label of any input."""
    name, marked = act["actor"], given.strip(_MARKS)
    if name is None:
        return bool(calls_in(_unfenced(given)))
    if place is Place.SENTENCE:
        is_line = act["own"] is not None and marked != "" and "\n" not in marked
        return name in tools and (is_line or (marked.startswith("{") and _behind(marked) == ""))
    has_object = bool(marked) and whole_object(_unfenced(given).strip(_MARKS)) is not None
    if has_object or act["inline"] is None:
        is_whole = place is Place.ALONE and act["thing"] is None and name in tools and "\n" not in marked
        return has_object or act["own"] is not None or is_whole
    return name in tools and _has_arguments(name, given, may_be_words=place is Place.ALONE)


def _has_arguments(name: str, given: str, *, may_be_words: bool) -> bool:
    """Whether what is in brackets are arguments in code, or words that are all there is."""
    is_code = calls_in(name + given.strip(_MARKS)) or calls_in(name + given.partition("\n")[0])
    words = _IN_BRACKETS.fullmatch(given)
    return bool(is_code) or (words is not None and (may_be_words or _QUOTED.fullmatch(words[1]) is not None))


def _behind(text: str) -> str | None:
    """What stands behind the object that `text` begins with; None if there is none."""
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return None
    return text[end:].strip(_MARKS)


def _unfenced(given: str) -> str:
    fenced = _FENCED.match(given)
    return fenced[1] if fenced else given


def _calls(text: str) -> Iterator[Call]:
    acts = list(_ACT.finditer(text))
    ends = [act.start() for act in acts[1:]] + [len(text)]
    for act, end in zip(acts, ends, strict=True):
        given = _unfenced(ANSWER.split(text[act.end() : end])[0].strip("* \t\r\n"))
        name = act["actor"]
        if name is None:
            yield from calls_in(given)
        elif (arguments := whole_object(given)) is not None:
            yield name, arguments
        else:
            code = given if act["inline"] is not None else f"({given})"
            calls = calls_in(name + code) or calls_in(name + code.partition("\n")[0])
            words = _IN_BRACKETS.fullmatch(given) if act["inline"] is not None else None
            said = _QUOTED.sub(r"\2", words[1]) if words else given
            yield from calls or [(name, json.dumps({"input": said}, ensure_ascii=False))]
