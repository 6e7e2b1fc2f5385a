"""Reads the calls of a model that writes what it does line by line: `Thought:`, `Action:`, `Action Input:`. Pure.

What such a model makes up as an `Observation:` is not what the tool says, nor is what follows of it: both are left out.
"""

import json
import re
from collections.abc import Container, Iterator, Sequence

from stages.text.called_text import Call, calls_in, whole_object

ACT = r"""(?:(?<!\S)\*{0,2}Action|(?<![^\n])\*{0,2}(?P<thing>Tool|Function))\*{0,2}:\*{0,2}[ \t]{0,4}
    (?:`?(?P<actor>Final\ Answer|[A-Za-z_][\w.-]{0,63})`?
        (?:(?P<inline>[ \t]?(?=\{)|(?=[(\[]))
            |[ \t]{0,4}(?:\r?\n){1,3}[ \t]{0,4}\*{0,2}(?:(?:Action|Tool|Function)[ _])?
                (?:Input|Arguments|Args|Parameters)\*{0,2}:)
        |\s{0,6}(?=```(?:json)?\s{0,4}[\[{]))"""
"""A label and a name with the label of its input or a bracket behind it, or with JSON in a fence. Verbose, any case."""

_ACT = re.compile(ACT, re.VERBOSE | re.IGNORECASE)
_RESULT = re.compile(r"(?:\A|\n)[ \t]*\**Observation\**:", re.IGNORECASE)
ANSWER = re.compile(r"(?:\A|\n)[ \t]*\**(?:Final )?Answer\**:", re.IGNORECASE)
_ENDS = ("finish", "final answer")
_NONE = ("none", "no_action")
_OBJECT = re.compile(r"[\s*]*(?:```\w*)?\s*\{")
_FENCED = re.compile(r"\A\W*```\w*\s*(.*?)\s*```", re.DOTALL)


def acts_in(text: str, tools: Container[str]) -> tuple[Sequence[Call], str]:
    """The calls in `text`, which begins with one; and what is said instead, where its action is that there is none, or
    where it describes a function that is none of the `tools`, and gives it no object."""
    acts = list(_ACT.finditer(text))
    describes = bool(acts and acts[0]["thing"] and acts[0]["actor"] and acts[0]["actor"] not in tools)
    if describes and not _OBJECT.match(text, acts[0].end()):
        return (), text
    if acts and (name := (acts[0]["actor"] or "").lower()) in (*_ENDS, *_NONE):
        rest = text[acts[0].end() :]
        answer = ANSWER.search(rest)
        if answer:
            return (), rest[answer.end() :].strip()
        return (), "" if name in _NONE else _RESULT.split(rest)[0].strip(" \t\r\n*[]()")
    return list(_calls(_RESULT.split(text)[0])), ""


def _calls(text: str) -> Iterator[Call]:
    acts = list(_ACT.finditer(text))
    ends = [act.start() for act in acts[1:]] + [len(text)]
    for act, end in zip(acts, ends, strict=True):
        given = ANSWER.split(text[act.end() : end])[0].strip("* \t\r\n")
        fenced = _FENCED.match(given)
        given = fenced[1] if fenced else given
        name = act["actor"]
        if name is None:
            yield from calls_in(given)
        elif (arguments := whole_object(given)) is not None:
            yield name, arguments
        else:
            code = given if act["inline"] is not None else f"({given})"
            calls = calls_in(name + code) or calls_in(name + code.partition("\n")[0])
            yield from calls or [(name, json.dumps({"input": given}, ensure_ascii=False))]
