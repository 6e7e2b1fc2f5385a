"""Tools that run only when the person has agreed to it: the model's word alone is not enough for what is final.

What counts is the conversation as it was heard: the agent's last words before the person's are a question that names
what is about to happen, and the person says yes to it. If not, the model is told to ask. Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from stageflow.context import Message
from stageflow.tools import Tool, ToolFunction, ToolRegistry
from stages.text.assent import find_yes_or_no, wants_out
from stages.text.plain import plain


def with_confirmation(
    registry: ToolRegistry, names: frozenset[str], heard: Callable[[], Sequence[Message]]
) -> ToolRegistry:
    """The same tools, of which those with these names want a yes first; `heard` tells the conversation so far."""
    if not any(tool.name in names for tool in registry.tools):
        return registry
    tools = [_asking(tool, heard) if tool.name in names else tool for tool in registry.tools]
    return ToolRegistry(tools, registry.max_calls_per_turn)


def is_confirmed(arguments: Mapping[str, object], heard: Sequence[Message]) -> bool:
    """Whether the person has said yes to a question that has the names among the arguments in it."""
    told = [message for message in heard if message.role in ("user", "assistant") and message.content]
    while told and told[-1].role != "user":
        told.pop()  # what this answer has said itself was not what the person agreed to
    said: list[str] = []
    while told and told[-1].role == "user":
        said.insert(0, told.pop().content)
    if not said or not told or not told[-1].content.rstrip().endswith("?"):
        return False
    words, question = plain(" ".join(said)), told[-1].content.casefold()
    named = (value.casefold() for value in arguments.values() if isinstance(value, str))
    return find_yes_or_no(words) is True and not wants_out(words) and all(name in question for name in named)


def _asking(tool: Tool, heard: Callable[[], Sequence[Message]]) -> Tool:
    run: ToolFunction = tool.function

    async def run_when_confirmed(**arguments: object) -> object:
        if is_confirmed(arguments, heard()):
            return await run(**arguments)
        told = ", ".join(f"{name} {value}" for name, value in arguments.items())
        return {
            "answer": "unconfirmed",
            "error": f"Nothing is done yet. Ask the person whether to go ahead, and name what it is about ({told}); "
            f"call {tool.name} again when they have said yes.",
        }

    return replace(tool, function=run_when_confirmed)
