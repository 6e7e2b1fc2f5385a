"""`stageflow-voice providers`: what there is to hear, answer and speak, where it is from, what can be set, and whether
one does what it must."""

import argparse
import difflib
import os

from server.cli import provider_check
from server.cli.provider_state import fetch, lines_of
from server.cli.targets import put_here_on_path
from server.config.provider_pages import ProviderPage, pages
from stages.providers.built_in import KINDS, Kind
from stages.providers.registry import ProviderFault, known_names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which provider, if not all, and whether it is to be checked."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[check] NAME",
        help="a provider of the list, or `module:Class`; `check NAME` tries the one that is configured",
    )
    parser.add_argument("--url", help="of a running server: how its providers do (its /metrics)")
    parser.add_argument("--api-key", help="the server's key, for --url")
    parser.add_argument("--kind", choices=KINDS, help="only providers of this kind")
    provider_check.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """List them, show one, or check one. Raises ProviderFault for a name that nobody has."""
    put_here_on_path()
    words: list[str] = arguments.words
    if arguments.url is not None:
        for line in lines_of(fetch(arguments.url, arguments.api_key)):
            print(line)
        return 0
    if words[:1] == ["check"] and len(words) == 2:
        return provider_check.run(arguments, words[1])
    if len(words) > 1 or words == ["check"]:
        raise ProviderFault(["write `providers`, `providers NAME` or `providers check NAME`"])
    name = words[0] if words else None
    kinds: tuple[Kind, ...] = (arguments.kind,) if arguments.kind else KINDS
    found = [page for kind in kinds for page in pages(kind, os.environ, name)]
    if not found:
        known = [one for kind in kinds for one in known_names(kind)]
        near = difflib.get_close_matches(name or "", known, n=1)
        meant = f"did you mean {near[0]!r}?" if near else "`stageflow-voice providers` lists them"
        raise ProviderFault([f"there is no provider {name!r}; {meant}"])
    for page in found:
        _show(page) if name else print(_row(page))
    return 0


def _row(page: ProviderPage) -> str:
    state = page.fault.splitlines()[0] if page.fault else page.key_state
    return f"{page.kind:<12} {page.name:<18} {page.origin or '-':<14} {state:<34} {page.about}".rstrip()


def _show(page: ProviderPage) -> None:
    print(f"{page.kind} {page.name} ({page.origin or 'not usable'})")
    print(f"  {page.fault or page.about}")
    for name, value in page.capabilities:
        print(f"  {name}: {value}")
    if page.settings:
        print(f"  settings, in the table [{page.kind}] or as {page.variable('<NAME>')}:")
    for setting in page.settings:
        named = f" (or {setting.variable})" if setting.variable else ""
        print(
            f"    {setting.name}: {setting.type}, {setting.default}{named}. {setting.about}".rstrip(". ")
            + "."
        )
