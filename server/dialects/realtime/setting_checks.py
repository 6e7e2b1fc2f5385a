"""The checks of settings that no type says: tools, what is kept unread, and the lists and words of the protocol."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue, PlainValidator
from pydantic_core import PydanticCustomError

from server.domain.values import Modality

MAX_OUTPUT_TOKENS = 4096
"""The protocol's own upper limit of `max_output_tokens`; "inf" means no limit."""

MAX_TOOLS = 128

MAX_KEPT_CHARS = 64 << 10
"""JSON text of one setting that is only kept to be shown again."""

Json = dict[str, JsonValue]
Text = Annotated[str, Field(max_length=100_000)]


@dataclass(frozen=True, eq=False)
class KnownKeys:
    """The keys that an object may have, and those of the objects in it. What is kept unread has none to know."""

    inner: Mapping[str, "KnownKeys"]
    is_list: bool = False


def _keys(*names: str, **inner: KnownKeys) -> KnownKeys:
    """As an annotation: the keys of an object that no model describes."""
    return KnownKeys({name: KnownKeys({}) for name in names} | inner)


def wrong(message: str) -> PydanticCustomError:
    """A fault for pydantic's list of them."""
    return PydanticCustomError("invalid_value", message.replace("{", "{{").replace("}", "}}"))


def _output_tokens(value: object) -> int | Literal["inf"] | None:
    """The check of `max_output_tokens`."""
    if value is None or value == "inf":
        return value
    if type(value) is int and 1 <= value <= MAX_OUTPUT_TOKENS:
        return value
    raise wrong(f'must be a whole number from 1 to {MAX_OUTPUT_TOKENS}, or "inf"')


def _output_modality(value: object) -> Modality | None:
    """The check of `output_modalities`: one of two lists, which we call by their only word."""
    if value is None:
        return None
    if value == ["audio"]:
        return "audio"
    if value == ["text"]:
        return "text"
    raise wrong('must be ["audio"] (which comes with a transcript) or ["text"]')


def _voice(value: object) -> str | None:
    name = value.get("id") if isinstance(value, dict) else value
    if name is None or (isinstance(name, str) and 1 <= len(name) <= 256):
        return name
    raise wrong("must be the name of a voice, at most 256 characters")


def _kept(value: JsonValue) -> JsonValue:
    """The check of what is kept unread: it must not be large, and must be able to go out as JSON again."""
    try:
        chars = len(json.dumps(value, allow_nan=False))
    except ValueError:
        raise wrong("has a number that is too large") from None
    if chars > MAX_KEPT_CHARS:
        raise wrong(f"has {chars} characters of JSON; the limit is {MAX_KEPT_CHARS}")
    return value


def _tool(tool: Json) -> Json:
    if tool.get("type") not in ("function", "mcp"):
        raise wrong('its "type" must be "function" or "mcp"')
    if isinstance(tool.get("function"), dict):
        raise wrong('"name", "description" and "parameters" stand beside "type", not in an object "function"')
    label = "name" if tool["type"] == "function" else "server_label"
    if not (isinstance(tool.get(label), str) and tool[label]):
        raise wrong(f'its "{label}" must be a text that is not empty')
    if not isinstance(tool.get("parameters"), dict | None):
        raise wrong('its "parameters" must be an object (a JSON schema)')
    if not isinstance(tool.get("description"), str | None):
        raise wrong('its "description" must be text')
    return tool


def _tools(tools: list[Json] | None) -> list[Json] | None:
    names = [str(tool["name"]) for tool in tools or () if tool["type"] == "function"]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise wrong(f"tools must have names of their own; given twice: {', '.join(twice)[:200]}")
    return tools


def _tool_choice(value: JsonValue) -> JsonValue:
    if not isinstance(value, dict):
        return value
    if value.get("type") == "function" and not isinstance(value.get("name"), str):
        raise wrong('its "name" must be the name of a function')
    if value.get("type") == "mcp":
        if not isinstance(value.get("server_label"), str):
            raise wrong('its "server_label" must be the label of a server')
        if not isinstance(value.get("name"), str | None):
            raise wrong('its "name" must be the name of a tool')
    return value


def _word_or_object(*words: str, kinds: tuple[str, ...] = ()) -> Callable[[JsonValue], JsonValue]:
    """A check for a setting that is one of `words` or an object (of one of `kinds`, if there are any)."""

    def check(value: JsonValue) -> JsonValue:
        if value is None or (isinstance(value, str) and value in words):
            return value
        if isinstance(value, dict) and (not kinds or value.get("type") in kinds):
            return value
        objects = f" of type {' or '.join(kinds)}" if kinds else ""
        raise wrong(f"must be {', '.join(words)} or an object{objects}")

    return check


def _truncation(value: JsonValue) -> JsonValue:
    if not isinstance(value, dict):
        return value
    ratio = value.get("retention_ratio")
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 <= ratio <= 1:
        raise wrong('its "retention_ratio" must be a number from 0 to 1')
    limits = value.get("token_limits")
    if not isinstance(limits, dict | None):
        raise wrong('its "token_limits" must be an object')
    tokens = (limits or {}).get("post_instructions")
    if tokens is not None and (isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 0):
        raise wrong('its "token_limits.post_instructions" must be a whole number, not less than 0')
    return value


_FILTER = _keys("tool_names", "read_only")
_TOOL_KEYS = _keys(
    *("type", "name", "description", "parameters", "strict"),
    *(
        "server_label",
        "server_url",
        "server_description",
        "connector_id",
        "tunnel_id",
        "authorization",
        "headers",
    ),
    allowed_tools=_FILTER,
    require_approval=_keys(always=_FILTER, never=_FILTER),
)

Kept = Annotated[Any, AfterValidator(_kept)]
Tool = Annotated[dict[str, Any], AfterValidator(_tool), _TOOL_KEYS]
Tools = Annotated[
    list[Tool] | None,
    Field(max_length=MAX_TOOLS),
    AfterValidator(_tools),
    AfterValidator(_kept),
]
Choice = Annotated[
    Kept,
    AfterValidator(_word_or_object("none", "auto", "required", kinds=("function", "mcp"))),
    AfterValidator(_tool_choice),
    _keys("type", "name", "server_label"),
]
Tracing = Annotated[Kept, AfterValidator(_word_or_object("auto"))]
Truncation = Annotated[
    Kept,
    AfterValidator(_word_or_object("auto", "disabled", kinds=("retention_ratio",))),
    AfterValidator(_truncation),
    _keys("type", "retention_ratio", token_limits=_keys("post_instructions")),
]
KeptObject = Annotated[dict[str, Any] | None, AfterValidator(_kept)]
Voice = Annotated[str | None, PlainValidator(_voice), _keys("id")]
OutputModality = Annotated[Modality | None, PlainValidator(_output_modality)]
OutputTokens = Annotated[int | Literal["inf"] | None, PlainValidator(_output_tokens)]
