"""`stageflow-voice providers check` of tools: told to a model, called with wrong arguments, and with right ones.

A call does what the tool does, so only those tools are called for which `--call` says with what.
"""

import argparse
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

from server.config.functions import as_tool, imported
from stageflow.errors import ToolDeclarationError
from stageflow.tools import Tool
from stages.providers.built_in import KINDS, Kind
from stages.providers.registry import ProviderFault, find_provider, known_names
from stages.testing.kit import Finding, Terms, fault_of
from stages.testing.tool_checks import tool_checks

Calls = Mapping[str, Mapping[str, object]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """With what tools are called."""
    parser.add_argument(
        "--call",
        nargs=2,
        action="append",
        default=[],
        metavar=("TOOL", "JSON"),
        help="with `check` of tools: arguments with which a call goes well; without it that tool is not called",
    )


def tools_named(name: str, wanted: Kind | None) -> tuple[Tool, ...] | None:
    """The tools of an installed package, of a class with `tools`, or the function that is one; None if it is something
    else. Raises ProviderFault for what is to be some and cannot."""
    if wanted not in (None, "tools"):
        return None
    if ":" not in name:
        others = [kind for kind in KINDS if kind not in (wanted, "tools") and name in known_names(kind)]
        is_one = name in known_names("tools") and (wanted is not None or not others)
        return _of_class(name) if is_one else None
    try:
        found = imported(name)
    except ValueError as error:
        if wanted is None:
            return None  # who looks for providers says so too
        raise ProviderFault([str(error)]) from error
    if isinstance(found, type):
        return _of_class(name) if wanted == "tools" or hasattr(found, "tools") else None
    try:
        return (as_tool(found),)
    except (ValueError, ToolDeclarationError) as error:
        raise ProviderFault([str(error)]) from error


def _of_class(name: str) -> tuple[Tool, ...]:
    return tuple(find_provider("tools", name).made_by().tools())


def calls_in(arguments: argparse.Namespace, tools: Sequence[Tool]) -> Calls:
    """What `--call` says. Raises ProviderFault."""
    calls, there = dict[str, Mapping[str, object]](), [tool.name for tool in tools]
    for name, text in arguments.call:
        if name not in there:
            raise ProviderFault([f"--call: there is no tool {name!r}; there are {', '.join(there)}"])
        try:
            calls[name] = json.loads(text)
        except ValueError as error:
            raise ProviderFault([f"--call {name}: {text} is no JSON: {error}"]) from error
        if not isinstance(calls[name], dict):
            raise ProviderFault([f'--call {name}: write a JSON object, such as \'{{"what": "shoes"}}\''])
    return calls


async def examine_tools(tools: Sequence[Tool], calls: Calls, deadline_s: float) -> list[Finding]:
    """Run the checks; those that call only with the tools that are in `calls`. One that looks at no arguments before it
    runs would be called with wrong ones, too."""
    terms, called = Terms(deadline_s, is_provider=False), [tool for tool in tools if tool.name in calls]
    of_check = {"told": tools, "wrong": [tool for tool in tools if tool in called or tool.validate]}
    findings = list[Finding]()
    for check in tool_checks(calls):
        some = of_check.get(check.name, called)
        if some or check.name == "told":
            fault = await fault_of(partial(_opened, some), check, terms)
            findings.append(Finding(check.name, check.about, fault))
    return findings


@asynccontextmanager
async def _opened(tools: Sequence[Tool]) -> AsyncIterator[Sequence[Tool]]:
    yield tools


def uncalled(tools: Sequence[Tool], calls: Calls) -> list[str]:
    """What to tell of tools that were not called."""
    names = [tool.name for tool in tools if tool.name not in calls]
    return [f"not called, as no --call says with what: {', '.join(names)}"] if names else []
