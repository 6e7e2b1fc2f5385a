"""Writes docs/providers.md from the registry: which providers are built in, what they can do, what can be set.

What is in it does not depend on what is installed: of providers whose packages come with an extra of their own only
the description is told, from their source.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from server.config.provider_pages import ProviderPage, pages
from stages.providers.built_in import BUILT_IN, KINDS, BuiltIn, Kind

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "providers.md"
USUAL = (None, "embedded", "turns")
"""Extras that are installed for the tests, and nothing."""

TITLES = {
    "stt": "Recognisers",
    "llm": "Language models",
    "tts": "Voices",
    "vad": "Speech detectors",
    "end_of_turn": "Models that hear the end of a turn",
}

HEAD = """# Providers

Made from the registry by `scripts/write-providers`; `stageflow-voice providers` shows the same for what is installed,
and whether keys are there. A provider is chosen by `use` in the table of its kind in `stageflow-voice.toml`, or by a
variable such as `STAGEFLOW_VOICE_STT`; its settings stand beside `use`, or are variables such as
`STAGEFLOW_VOICE_STT__DEEPGRAM__MODEL`. A secret may also be in a file that `<setting>_file` names. How to bring one of
your own: [extend.md](extend.md).

Complete setups: [local](examples/local.toml), where nothing leaves your machines, and [hosted](examples/hosted.toml).

Several names are a chain ([extend.md](extend.md)). How they do, on a running server:
`stageflow-voice providers --url http://127.0.0.1:8080`.
"""


def page() -> str:
    """All of docs/providers.md."""
    parts = [HEAD]
    for kind in KINDS:
        if BUILT_IN[kind]:
            parts += [f"## {TITLES[kind]} (`[{kind}]`)\n", *_of_kind(kind)]
    return "\n".join(parts)


def _of_kind(kind: Kind) -> Iterator[str]:
    for name in sorted(BUILT_IN[kind]):
        entry = BUILT_IN[kind][name]
        yield f"### `{name}`\n"
        if entry.extra in USUAL:
            yield from _section(next(iter(pages(kind, {}, name))))
        else:
            then = f"`stageflow-voice providers {name}` shows its settings"
            yield f"{_about(entry)} It wants `scripts/setup {entry.extra}`; then {then}.\n"


def _section(found: ProviderPage) -> Iterator[str]:
    yield f"{found.about}\n"
    able = [f"{name.replace('_', ' ')}: {_plain(value)}" for name, value in found.capabilities]
    if able:
        yield f"{'; '.join(able)}.\n"
    if found.settings:
        yield "| setting | type | default | what it is |\n| --- | --- | --- | --- |"
        for setting in found.settings:
            default = setting.default.removeprefix("default ").strip() or "empty"
            named = f"; also `{setting.variable}`" if setting.variable else ""
            kind = setting.type.replace("|", "or")
            yield f"| `{setting.name}` | {kind} | {default}{named} | {setting.about.replace('|', 'or')} |"
        yield ""


def _plain(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case tuple():
            return "any" if value == ("*",) else ", ".join(map(str, value))
        case _:
            return str(value)


def _about(entry: BuiltIn) -> str:
    module, _, name = entry.target.partition(":")
    tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text("utf-8"))
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    return (ast.get_docstring(next(classes)) or "").partition("\n")[0]


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
