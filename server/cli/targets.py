"""What `stageflow-voice serve module:app` names: a `VoiceServer` in a file of the user's."""

import importlib
import sys
from pathlib import Path
from typing import Any

from server.domain.errors import ConfigError
from server.voice_server import VoiceServer

OURS = ("server", "stages", "stageflow", "audio")


def find_server(target: str) -> VoiceServer:
    """The server that `module:name` or `folder/file.py:name` names, `app` if no name is given; a module may lie in the
    working directory.

    Raises ConfigError, which says what is wrong. The working directory comes last on the path: folders in it that are
    called as packages of ours, or as those of others, do not take their place.
    """
    module, _, name = target.partition(":")
    if module.endswith(".py"):
        folder, module = str(Path(module).parent.resolve()), Path(module).stem
        if folder not in sys.path:
            sys.path.append(folder)
    found: Any = _import(module, target)
    for part in (name or "app").split("."):
        if not hasattr(found, part):
            there = [key for key, one in vars(sys.modules[module]).items() if isinstance(one, VoiceServer)]
            hint = (
                f"there is {', '.join(there)}: write {module}:{there[0]}"
                if there
                else "it has no VoiceServer"
            )
            raise ConfigError(f"{target}: {module} has no {name or 'app'!r}; {hint}")
        found = getattr(found, part)
    if not isinstance(found, VoiceServer):
        made = type(found).__name__
        raise ConfigError(
            f"{target}: is {made}, not a VoiceServer; write `app = VoiceServer(...)` and serve that"
        )
    return found


def put_here_on_path() -> None:
    """Let modules of the working directory be imported, after all that is installed."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)


def _import(module: str, target: str) -> Any:
    first = module.partition(".")[0]
    if first in OURS:
        raise ConfigError(
            f"{target}: {first!r} is the name of a package of this server; call your file otherwise"
        )
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and module.startswith(error.name):
            raise ConfigError(
                f"{target}: there is no module {module!r} in {Path.cwd()}, and none installed"
            ) from error
        raise ConfigError(f"{target}: importing it failed: {error}") from error
    except Exception as error:
        raise ConfigError(f"{target}: importing it failed: {type(error).__name__}: {error}") from error
