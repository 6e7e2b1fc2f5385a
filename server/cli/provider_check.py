"""`stageflow-voice providers check`: a configured provider, or tools, put through the checks that all must pass."""

import argparse
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from pydantic import SecretStr

from audio.formats import SPEECH_HZ
from server.cli import tool_check
from server.config.choice import chosen_alone
from server.config.configuration import file_path
from server.config.setting_names import FILE_VARIABLE
from stages.providers.built_in import Kind
from stages.providers.configured import Configured
from stages.providers.registry import ProviderFault, declared_kind, known_names
from stages.testing.kit import Check, Finding, Opens, Terms, close, fault_of
from stages.testing.question import SAYS, SPEECH, question
from stages.testing.recogniser_checks import KnownSpeech
from stages.testing.suites import checks_for, unreachable_check

NOWHERE_PORT = 9
"""Where nobody listens: the port of a service that throws away what it gets, and which no machine runs any more."""

_CHECKED: tuple[Kind, ...] = ("stt", "llm", "tts", "vad", "end_of_turn", "tools")
_ADDRESSES = {"url": "ws", "base_url": "http", "uri": "tcp"}
"""Settings that say where a service is."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """With what a recogniser is tried, and how long a check may take."""
    parser.add_argument(
        "--config", type=Path, help="with `check`: the configuration file (default: as for serve)"
    )
    parser.add_argument(
        "--speech",
        type=Path,
        default=SPEECH,
        help="with `check`: an audio file with a sentence for recognisers",
    )
    parser.add_argument("--says", default=SAYS, help="with `check`: the words in it")
    parser.add_argument(
        "--word-errors",
        type=float,
        default=0.4,
        help="with `check`: share of the words that may be wrong (0.4)",
    )
    parser.add_argument(
        "--deadline", type=float, default=60.0, help="with `check`: seconds that one check may take (60)"
    )
    tool_check.add_arguments(parser)


def run(arguments: argparse.Namespace, name: str) -> int:
    """Check a provider; 1 if something is wrong with it. Raises ProviderFault for one that cannot be made."""
    if arguments.config is not None:
        os.environ[FILE_VARIABLE] = str(arguments.config)
    tools = tool_check.tools_named(name, arguments.kind)
    if tools is not None:
        calls = tool_check.calls_in(arguments, tools)
        findings = anyio.run(tool_check.examine_tools, tools, calls, arguments.deadline)
        code = _print("tools", name, findings)
        for line in tool_check.uncalled(tools, calls):
            print(line)
        return code
    if arguments.call:
        raise ProviderFault([f"--call: {name!r} is no tool, and has none"])
    kind, configured = _find(name, arguments.kind)
    return _print(kind, name, anyio.run(_examine, kind, configured, arguments))


def _print(kind: Kind, name: str, findings: Sequence[Finding]) -> int:
    for finding in findings:
        print(f"{'wrong' if finding.fault else 'right':<6} {finding.name:<12} {finding.about}")
        if finding.fault:
            print("       " + finding.fault.replace("\n", "\n       "))
    wrong = sum(bool(finding.fault) for finding in findings)
    print(f"{kind} {name}: {len(findings) - wrong} of {len(findings)} checks passed")
    return 1 if wrong else 0


def _find(name: str, wanted: Kind | None) -> tuple[Kind, Configured]:
    """The provider as it is configured. Raises ProviderFault."""
    if wanted is not None and wanted not in _CHECKED:
        raise ProviderFault([f"there are no checks for {wanted}; there are for {', '.join(_CHECKED)}"])
    path = file_path(None)
    kinds = [wanted] if wanted else [kind for kind in _CHECKED if name in known_names(kind)]
    if not kinds and ":" in name:
        kinds = [kind for kind in (declared_kind(name),) if kind is not None]
    if not kinds and ":" not in name:
        raise ProviderFault(
            [f"there is no {', '.join(_CHECKED)} {name!r}; `stageflow-voice providers` lists them"]
        )
    if len(kinds) != 1:
        raise ProviderFault(
            [f"{name!r} may be {' or '.join(kinds or _CHECKED)}: say which, such as --kind stt"]
        )
    made, faults = chosen_alone(kinds[0], name, path)
    if made is None:
        raise ProviderFault(faults)
    return kinds[0], made


async def _examine(kind: Kind, configured: Configured, arguments: argparse.Namespace) -> list[Finding]:
    provider = await anyio.to_thread.run_sync(configured.provider.make_itself, configured.settings)
    terms = Terms(arguments.deadline, _secrets(configured))
    try:
        async with _opens(provider)() as one:
            said = await anyio.to_thread.run_sync(_said, kind, arguments, one)
            checks = checks_for(kind, one, said)
        findings = [await _finding(_opens(provider), check, terms) for check in checks]
    finally:
        await close(provider)
    tells = hasattr(one, "open") if kind == "stt" else kind in ("llm", "tts")
    if tells and (gone := _unreachable(configured)) is not None:
        made = await anyio.to_thread.run_sync(gone.provider.make_itself, gone.settings)
        findings.append(await _finding(_opens(made), unreachable_check(kind, said), terms))
        await close(made)
    return findings


async def _finding(opens: Opens[Any], check: Check[Any], terms: Terms) -> Finding:
    return Finding(check.name, check.about, await fault_of(opens, check, terms))


def _opens(provider: Any) -> Opens[Any]:
    """Opens a session of a provider that is shared by all checks."""

    @asynccontextmanager
    async def opens() -> AsyncIterator[Any]:
        session: AbstractAsyncContextManager[Any] | None = (
            provider.session() if hasattr(provider, "session") else None
        )
        if session is None:
            yield provider
        else:
            async with session as one:
                yield one

    return opens


def _said(kind: Kind, arguments: argparse.Namespace, listening: Any) -> KnownSpeech | None:
    """What those hear that listen."""
    if kind in ("llm", "tts"):
        return None
    rate_hz = listening.rate_hz if kind == "stt" else SPEECH_HZ
    return KnownSpeech(question(rate_hz, arguments.speech), arguments.says, arguments.word_errors)


def _secrets(configured: Configured) -> tuple[str, ...]:
    values = [value for part in configured.parts for _, value in part.settings]
    return tuple(value.get_secret_value() for value in values if isinstance(value, SecretStr))


def _unreachable(configured: Configured) -> Configured | None:
    """The same provider at an address where nobody is; None for one that has none."""
    fields: Mapping[str, Any] = type(configured.settings).model_fields
    nowhere = {
        name: f"{scheme}://127.0.0.1:{NOWHERE_PORT}" for name, scheme in _ADDRESSES.items() if name in fields
    }
    if not nowhere:
        return None
    return Configured(configured.provider, configured.settings.model_copy(update=nowhere), configured.origins)
