"""`stageflow-voice new`: writes a small package for a part of one's own, which passes its own tests at once."""

import argparse
import keyword
import re
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from server.domain.errors import ServerError

_ABOUT = {
    "stt": "A recogniser: what was said, as text.",
    "tts": "A voice: text, as speech.",
    "llm": "A language model: what is answered.",
    "stage": "A stage of the pipeline.",
    "tools": "Tools that agents may call.",
}
_USAGE = {
    "stage": '[pipeline]\nhook = "$module:edit"',
    "tools": '[tools]\nfunctions = ["$name"]',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is to be written, and how it is called."""
    parser.add_argument("kind", choices=tuple(_ABOUT), help="what it is to be")
    parser.add_argument("name", metavar="NAME", help="small letters, digits and _; by it the server finds it")
    parser.add_argument("--into", type=Path, default=Path(), help="the folder to write into (default: here)")


def run(arguments: argparse.Namespace) -> int:
    """Write it. Raises ServerError for a name that cannot be one, and for a folder that is there already."""
    kind, name = arguments.kind, arguments.name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise ServerError(f"{name!r} cannot be a name: write small letters, digits and _, as in my_{kind}")
    module = f"stageflow_voice_{name}"
    folder: Path = arguments.into / module.replace("_", "-")
    if folder.exists():
        raise ServerError(f"{folder} is there already; choose another name, or another folder by --into")
    cls = "".join(part.capitalize() for part in name.split("_"))
    words = {
        "kind": kind,
        "name": name,
        "module": module,
        "cls": cls,
        "package": folder.name,
        "about": _ABOUT[kind],
    }
    words["usage"] = Template(_USAGE.get(kind, '[$kind]\nuse = "$name"')).substitute(words)
    for path, template in {
        "pyproject.toml": "pyproject.toml.txt",
        "README.md": "README.md.txt",
        f"src/{module}/__init__.py": f"{kind}.py.txt",
        f"tests/test_{module}.py": f"{kind}.test.txt",
    }.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        text = files("server.cli").joinpath("templates", template).read_text("utf-8")
        target.write_text(Template(text).substitute(words), "utf-8")
        print(target)
    first = "" if find_spec("pytest") else ", when pytest is installed there"
    print(f"try it: cd {folder} && {sys.executable} -m pytest{first}")
    return 0
