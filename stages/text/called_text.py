"""Reads calls of tools that a model wrote as text, in the formats of the usual chat templates. Pure."""

import ast
import json
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any

Call = tuple[str, str]
"""A tool's name and its arguments, a JSON object as text."""

_DECODER = json.JSONDecoder()
NAMESPACES = "seed:|minimax:|steptml:|antml:|[|｜]DSML[|｜]"
"""Of the tags in which some models write their calls."""

_FUNCTION = re.compile(
    rf"""<(?:{NAMESPACES})?(?:function=|(?:function|invoke)\s+name=")([^<>\s"]+)[^<>]*>
        (.*?)(?:</(?:{NAMESPACES})?(?:function|invoke)>|\Z)""",
    re.DOTALL | re.VERBOSE | re.IGNORECASE,
)
_PARAMETER = re.compile(
    rf"""<(?:{NAMESPACES})?parameter(?:=|\s+name=")([^<>\s"]+)([^<>]*)>
        \n?(.*?)\n?(?:</(?:{NAMESPACES})?parameter>|\Z)""",
    re.DOTALL | re.VERBOSE | re.IGNORECASE,
)
_KEY_VALUE = re.compile(r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>", re.DOTALL)
_NAMED = re.compile(
    r"([A-Za-z_][\w.-]*)(?::\d+)?\s*(?:<\w{1,20}>\s*)?(?:\[[A-Z_]+\]\w*\s*)*(?:```(?:json)?\s*)?(?=\{)"
)
_BARE_KEYS = re.compile(r"\bcall:\s*([\w.-]+)\s*(?=\{)")
_ESCAPED = re.compile(r"<escape>(.*?)<escape>", re.DOTALL)
_STRING_OR_KEY = re.compile(r'("(?:[^"\\]|\\.)*")|([{,]\s*)([A-Za-z_][\w-]*)\s*:')
_TAGGED = re.compile(
    r"<(?:tool_)?name>\s*([\w.-]+)\s*</(?:tool_)?name>\s*"
    r"(?:<(arguments|parameters|input|tool_input)>(.*?)(?:</\2>|\Z))?",
    re.DOTALL,
)
_JSON_CALL = re.compile(r"(?:```\w*\s*)?\[?\s*\{")
_FENCE = re.compile(r"\A```\w*\s*|\s*```\Z")
_CODE = re.compile(r"\[?\s*[A-Za-z_][\w.]*\(")
_CODE_CHARS = 20_000
_NAME_KEYS = ("name", "tool_name", "function", "tool", "action")
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "action_input")


def calls_in(text: str) -> Sequence[Call]:
    """All calls that are written in `text`; none where it cannot be read as calls."""
    text = _FENCE.sub("", text.strip())
    for read in _READERS:
        if calls := list(read(text)):
            return calls
    return ()


def whole_object(text: str) -> str | None:
    """The arguments that `text` is, if it begins as an object does, or is empty."""
    text = text.strip()
    if text in ("", "None", "null"):
        return "{}"
    with suppress(ValueError):
        value, _ = _DECODER.raw_decode(text)
        return _json(value) if isinstance(value, dict) else None
    value = _nearly_json(text) if text.startswith("{") else None
    return _json(value) if isinstance(value, dict) else None


def are_calls(text: str, tools: Collection[str]) -> bool:
    """Whether `text` is nothing but calls: of what was offered, or in a form that is no answer to anybody.

    Behind JSON more may follow in other lines, which is left out, where it calls what was offered with an object.
    """
    calls = calls_in(text)
    are_offered = all(name in tools for name, _ in calls)
    if not calls or _JSON_CALL.match(text) is None:
        return bool(calls) and are_offered
    rest = _behind_json(text)
    have_objects = all(whole_object(arguments) is not None for _, arguments in calls)
    return (
        (are_offered or have_objects)
        if not rest.strip()
        else are_offered and have_objects and rest[0] == "\n"
    )


def are_words(text: str) -> bool:
    """Whether it is a part of a sentence, with nothing of a call in it."""
    return len(text.split()) > 2 and re.search(r"[][{}<>=:|]", text) is None


def several_objects(arguments: str) -> Sequence[str]:
    """The arguments of each call, where a server has written those of several behind one another."""
    found = []
    at = 0
    while at < len(arguments):
        try:
            value, at = _DECODER.raw_decode(arguments, at)
        except ValueError:
            return (arguments,)
        if not isinstance(value, dict):
            return (arguments,)
        found.append(json.dumps(value, ensure_ascii=False))
        while at < len(arguments) and arguments[at] in " \t\r\n,;":
            at += 1
    return found if len(found) > 1 else (arguments,)


def _json_calls(text: str) -> Iterator[Call]:
    at = 0
    while at < len(text) and text[at] in "{[":
        try:
            value, at = _DECODER.raw_decode(text, at)
        except ValueError:
            value, at = _nearly_json(text[at:]), len(text)
        for one in value if isinstance(value, list) else [value]:
            yield from _json_call(one)
        while at < len(text) and text[at] in " \t\r\n,;":
            at += 1


def _json_call(value: Any) -> Iterator[Call]:
    if not isinstance(value, dict):
        return
    if isinstance(several := value.get("tool_calls"), list):
        for one in several:
            yield from _json_call(one)
    if isinstance(value.get("function"), dict):
        value = value["function"]
    name = next((value[key] for key in _NAME_KEYS if key in value), None)
    arguments = next((value[key] for key in _ARGUMENT_KEYS if key in value), None)
    if isinstance(name, str) and name and arguments is not None:
        yield name, arguments if isinstance(arguments, str) else _json(arguments)


def _named_calls(text: str) -> Iterator[Call]:
    """`name{...}`, with what templates put between the two."""
    at = 0
    while match := _NAMED.search(text, at):
        try:
            value, at = _DECODER.raw_decode(text, match.end())
        except ValueError:
            return
        yield match[1].removeprefix("functions."), _json(value)


def _xml_calls(text: str) -> Iterator[Call]:
    for name, inside in _FUNCTION.findall(text):
        parameters = _PARAMETER.findall(inside)
        if parameters:
            yield name, _json({key: _parameter(value, more) for key, more, value in parameters})
        else:
            yield name, inside.strip() or "{}"


def _key_value_calls(text: str) -> Iterator[Call]:
    pairs = _KEY_VALUE.findall(text)
    name = text.partition("<arg_key>")[0].strip()
    if pairs and re.fullmatch(r"[\w.-]+", name):
        yield name, _json({key.strip(): _value(value) for key, value in pairs})


def _bare_key_calls(text: str) -> Iterator[Call]:
    """`call:name{key:<escape>text<escape>,other:1}`."""
    for match in _BARE_KEYS.finditer(text):
        given = _ESCAPED.sub(lambda string: _json(string[1]), text[match.end() :])
        given = _STRING_OR_KEY.sub(lambda found: found[1] or f'{found[2]}"{found[3]}":', given)
        with suppress(ValueError):
            yield match[1], _json(_DECODER.raw_decode(given)[0])


def _tagged_calls(text: str) -> Iterator[Call]:
    """`<name>…</name><arguments>{…}</arguments>`."""
    for name, _, given in _TAGGED.findall(text):
        yield name, given.strip() or "{}"


def _code_calls(text: str) -> Iterator[Call]:
    """`[name(a=1, b="two")]`, with literals only."""
    if len(text) > _CODE_CHARS or not _CODE.match(text):
        return
    try:
        with warnings.catch_warnings(action="ignore"):  # of strange escapes, which are the model's affair
            tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return
    for node in tree.elts if isinstance(tree, ast.List) else [tree]:
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print" and len(node.args) == 1:
            node = node.args[0]
        if not isinstance(node, ast.Call) or node.args:
            return
        try:
            arguments = {word.arg: ast.literal_eval(word.value) for word in node.keywords if word.arg}
            yield ast.unparse(node.func), _json(arguments)
        except (ValueError, TypeError):
            return


def _behind_json(text: str) -> str:
    """What stands behind the JSON that `text` begins with, its fence left out; "" if that cannot be read as JSON."""
    text = re.sub(r"\A\s*```\w*\s*", "", text)
    at = 0
    while at < len(text) and text[at] in "{[":
        try:
            _, at = _DECODER.raw_decode(text, at)
        except ValueError:
            return ""
        gap = len(text[at:]) - len(text[at:].lstrip(" \t\r\n,;"))
        if text[at + gap : at + gap + 1] not in ("{", "["):
            break
        at += gap
    return re.sub(r"\A\s*```", "", text[at:].lstrip(" \t;,}]")).rstrip()


def _nearly_json(text: str) -> object:
    """What a model meant that writes JSON as Python does, or with the braces of its template doubled."""
    text = text.rstrip("` \n")
    for meant in (text, text[1:-1] if text.startswith("{{") and text.endswith("}}") else ""):
        with suppress(SyntaxError, ValueError, MemoryError, RecursionError):
            return json.loads(meant)
        with suppress(SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
            return ast.literal_eval(meant) if len(meant) <= _CODE_CHARS else None
    return None


def _parameter(text: str, attributes: str) -> object:
    return text if 'string="true"' in attributes else _value(text)


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


_READERS = (
    _xml_calls,
    _key_value_calls,
    _tagged_calls,
    _json_calls,
    _bare_key_calls,
    _named_calls,
    _code_calls,
)
