"""A conversation as Qwen's models read it: ChatML, with tools in their own format. Pure."""

import json
from collections.abc import Sequence
from itertools import accumulate

from stageflow.context import Message
from stageflow.tools import Tool
from stages.ports import NOTHING_SAID, OneTool, ToolChoice

END = "<|im_end|>"
CALL = "<tool_call>\n"

_TOOLS = """

# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{signatures}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""


def prompt_of(messages: Sequence[Message], tools: Sequence[Tool]) -> str:
    """All of it, up to where the answer begins."""
    system = "\n".join(message.content for message in messages if message.role == "system")
    if tools:
        system += _TOOLS.format(signatures="\n".join(map(_signature, tools)))
    turns = [_turn("system", system)] if system else []
    told = [message for message in messages if message.role != "system"]
    if not told or told[-1].role == "assistant":
        told.append(Message(role="user", content=NOTHING_SAID))
    turns += [_turn(*_as_written(message)) for message in told]
    return "".join([*turns, "<|im_start|>assistant\n"])


def without_oldest(messages: Sequence[Message], over_chars: int, step_chars: int) -> list[Message]:
    """What is left of a conversation that is so many characters too long: what is the system's, and the newest turns,
    the last one always. As much goes as makes up whole steps: so the next prompts begin alike, and are read quickly."""
    told = [message for message in messages if message.role != "system"]
    to_go = -(-over_chars // step_chars) * step_chars
    begins = [place for place, message in enumerate(told) if message.role == "user"]
    gone = list(accumulate((len(_turn(*_as_written(message))) for message in told), initial=0))
    first = next((place for place in begins if gone[place] >= to_go), begins[-1] if begins else 0)
    return [*(message for message in messages if message.role == "system"), *told[first:]]


def schema_of(tools: Sequence[Tool], choice: ToolChoice) -> dict[str, object]:
    """What a call must look like that is asked for: one of the tools, or the one."""
    wanted = [tool for tool in tools if not isinstance(choice, OneTool) or tool.name == choice.name]
    calls = [
        {
            "type": "object",
            "properties": {"name": {"const": tool.name}, "arguments": dict(tool.parameters)},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in wanted
    ]
    return calls[0] if len(calls) == 1 else {"anyOf": calls}


def _signature(tool: Tool) -> str:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return json.dumps({"type": "function", "function": function}, ensure_ascii=False)


def _as_written(message: Message) -> tuple[str, str]:
    if message.role == "tool":
        return "user", f"<tool_response>\n{message.content}\n</tool_response>"
    calls = [
        f"{CALL}{json.dumps({'name': call.name, 'arguments': _arguments(call.arguments)}, ensure_ascii=False)}\n"
        "</tool_call>"
        for call in message.tool_calls
    ]
    return message.role, "\n".join(part for part in (message.content, *calls) if part)


def _arguments(given: object) -> object:
    if not isinstance(given, str):
        return dict(given) if hasattr(given, "keys") else given  # type: ignore[call-overload]
    try:
        return json.loads(given)
    except ValueError:
        return given


def _turn(role: str, content: str) -> str:
    plain = content.replace("<|", "< |").replace("\0", " ")
    return f"<|im_start|>{role}\n{plain.encode(errors='replace').decode()}{END}\n"
