"""The configuration file `stageflow-voice.toml`: its tables, and what is wrong in it, all at once.

The environment wins over it. A key `<name>_file` gives the path of a file that holds the value, for secrets.
"""

import copy
import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import (
    ValidationError,
)

from server.config.agents import Agent, Composition, Route
from server.config.file_content import KINDS, FileContent, joined
from server.config.guarding import GuardRule
from server.config.settings import Settings
from server.config.tables import Tables, written_out
from server.config.tool_servers import ToolServer
from server.gateway.door.quotas import KeyLimits

_FILE = "_file"


def read_file(path: Path) -> tuple[FileContent, tuple[str, ...]]:
    """What the file says, and every fault in it: a line each, with the key and what to do."""
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        return FileContent(path), (f"{path}: cannot be read ({error.strerror or error})",)
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        return FileContent(path), (f"{path}: is not TOML: {error}",)
    faults = list[str]()
    raw |= {kind: written_out(raw[kind]) for kind in KINDS if kind in raw}
    _read_secrets(raw, path, faults)
    try:
        tables = Tables.model_validate(raw)
    except ValidationError as error:
        faults += [f"{path}: {_line(fault)}" for fault in error.errors(include_url=False)]
        kinds = {
            kind: {**raw[kind], "use": joined(raw[kind]["use"])}
            for kind in KINDS
            if isinstance(raw.get(kind), dict) and isinstance(joined(raw[kind].get("use")), str)
        }
        names = {kind: str(table["use"]) for kind, table in kinds.items()}
        found = error.errors(include_url=False)
        right = _content(path, _right_part(raw, found))
        settings, providers = {**right.settings, **names}, {**right.providers, **kinds}
        names_tools = not any(map(_hides_tools, found))
        return FileContent(path, settings, providers, right.composition, names_tools), tuple(faults)
    return _content(path, tables), tuple(faults)


def _right_part(raw: Mapping[str, Any], found: Sequence[Any]) -> Tables:
    """The tables that are right, and those that are but for keys that there are not, or without which they make sense:
    what else is wrong with them is told with the faults of the others."""
    kept = copy.deepcopy({table: content for table, content in raw.items() if table in Tables.model_fields})
    wrong = set[str]()
    for fault in found:
        table, *path = fault["loc"]
        if table == "guard" and path:
            _remove_of_guard(kept[table], path)
        elif table == "tools" and path:
            _remove_of_tools(kept[table], path)
        elif table in ("agents", "routes") and len(path) > 1 and path[1] not in ("name", "agent"):
            _remove(kept[table], path[:2])
        elif fault["type"] == "extra_forbidden" and table in kept and path:
            _remove(kept[table], path)
        else:
            wrong.add(table)
    if wrong & {"agents", "routes"}:  # one makes no sense without the other
        wrong |= {"agents", "routes"}
    return Tables.model_validate({table: content for table, content in kept.items() if table not in wrong})


def _remove_of_guard(guard: dict[str, Any], path: Sequence[Any]) -> None:
    """Take away the key at a path; of a rule that key alone. What the rule lacks then, no line has to say besides."""
    if path[0] != "rules" or len(path) < 3 or "rules" not in guard:
        guard.pop(path[0], None)
        return
    number, key = path[1:3]
    rule = guard["rules"][number]
    rule.pop(key, None)
    rule.setdefault("name", str(number))
    if key not in GuardRule.model_fields or key in (
        "words",
        "patterns",
    ):  # another key may be meant for these
        rule.setdefault("words", ("any",))


def _remove_of_tools(tools: dict[str, Any], path: Sequence[Any]) -> None:
    """Take away the key at a path; of a server that key alone, and what it cannot do without is made up."""
    if path[0] != "servers" or len(path) < 2 or not isinstance(tools.get("servers"), list):
        tools.pop(path[0], None)
        return
    number = path[1]
    server = tools["servers"][number]
    right = {key: value for key, value in server.items() if key != path[2]} if path[2:] else {}
    made_up = {"name": str(number), "url": "http://127.0.0.1/mcp"}
    tools["servers"][number] = made_up | right


def _hides_tools(fault: Any) -> bool:
    """Whether names of tools are not known with this fault."""
    match fault["loc"]:
        case ("tools", "confirmed", *_):
            return False
        case ("tools", "servers", int(), key, *_):
            return bool(key == "name")
        case ("agents", int(), key, *_):  # a misspelt one may be meant for its tools
            return key in ("name", "tools") or fault["type"] == "extra_forbidden"
        case (table, *_):
            return table in ("tools", "agents")
    return False


def _remove(table: Any, path: Sequence[Any]) -> None:
    """Take away the key at a path."""
    for part in path[:-1]:
        table = table[part]
    if not isinstance(table, dict) or path[-1] in table:
        del table[path[-1]]


def _content(path: Path, tables: Tables) -> FileContent:
    providers = {kind: table.model_dump() for kind in KINDS if (table := getattr(tables, kind)) is not None}
    settings: dict[str, Any] = {name: getattr(tables.server, name) for name in tables.server.model_fields_set}
    settings |= {kind: table["use"] for kind, table in providers.items()}
    guard = tables.guard.model_fields_set - {"rules"}
    settings |= {f"guard_{name}": getattr(tables.guard, name) for name in guard}
    for name, setting in (("client_servers", "mcp_servers"), ("confirmed", "confirmed_tools")):
        if name in tables.tools.model_fields_set:
            settings[setting] = getattr(tables.tools, name)
    if tables.keys:
        settings["keys"] = {name: own.model_dump(exclude_unset=True) for name, own in tables.keys.items()}
    for name in ("limits", "deadlines", "quotas", "record", "interruption"):
        if name in tables.model_fields_set:
            settings[name] = getattr(tables, name).model_dump(exclude_unset=True)
    composition = Composition(
        tables.agents or (Agent(),),
        tables.routes,
        tables.tools.functions,
        tables.pipeline.hook,
        tables.guard.rules,
        tables.tools.servers,
    )
    return FileContent(path, settings, providers, composition)


def _read_secrets(raw: dict[str, Any], path: Path, faults: list[str]) -> None:
    """Put the content of files in the place of `<key>_file` in `[server]`: a list is a line each."""
    table = raw.get("server")
    if not isinstance(table, dict):
        return
    for key in [key for key in table if key.endswith(_FILE)]:
        name = key.removesuffix(_FILE)
        if key in Settings.model_fields or name not in Settings.model_fields:
            continue
        try:
            text = Path(str(table.pop(key))).read_text("utf-8")
        except (OSError, UnicodeError) as error:
            faults.append(f"{path}: server.{key}: cannot be read ({error})")
            continue
        table[name] = tuple(text.split())


def _line(fault: Any) -> str:
    parts = [str(part) for part in fault["loc"]]
    key = ".".join(parts)
    if fault["type"] == "extra_forbidden":
        known = _keys_beside(parts[:-1])
        near = difflib.get_close_matches(parts[-1], known, n=1)
        owners = [table for table in Tables.model_fields if parts[:-1] and parts[-1] in _keys_beside([table])]
        elsewhere = f"it belongs into [{owners[0]}]" if owners else f"there are {', '.join(sorted(known))}"
        return f"{key}: is no key; " + (f"did you mean {near[0]!r}?" if near else elsewhere)
    if fault["type"] == "missing":
        return f"{key}: is needed"
    if fault["type"] == "tuple_type" and isinstance(fault["input"], dict):
        return f"{key}: there may be several: write [[{key}]]"
    if key in KINDS:
        return f"{key}: is a name, a list of names, or a table with `use`"
    hidden = "key" in key or isinstance(fault["input"], dict | list)
    return f"{key}: {fault['msg']}" + ("" if hidden else f" (got {fault['input']!r})")


def _keys_beside(path: list[str]) -> list[str]:
    """The keys of the table at a path."""
    models: Mapping[str, Any] = {"agents": Agent, "routes": Route}
    if not path:
        return list(Tables.model_fields)
    if path[:2] == ["guard", "rules"]:
        return list(GuardRule.model_fields)
    if path[0] == "keys":
        return list(KeyLimits.model_fields)
    if path[:2] == ["tools", "servers"]:
        return list(ToolServer.model_fields)
    model = models.get(path[0]) or Tables.model_fields[path[0]].annotation
    return list(getattr(model, "model_fields", {}))
