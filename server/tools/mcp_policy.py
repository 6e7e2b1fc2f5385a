"""Which servers of tools clients may name: this server connects to what they name, so its operator says.

An entry is a URL, which allows all addresses under it, or `label=URL`, which gives one address a label that clients use
without knowing the address.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

SETTING = "STAGEFLOW_VOICE_MCP_SERVERS"

_LABELLED = re.compile(r"([A-Za-z0-9_-]{1,64})=(https?://.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class McpPolicy:
    """The operator's list of servers that clients may name; empty, nobody may name any server."""

    entries: tuple[str, ...] = ()

    def address(self, label: str, url: str | None) -> str:
        """The address that a client means. Raises ValueError with a text for the client where it may not."""
        if not self.entries:
            raise ValueError(f"MCP tools are switched off: {SETTING} names the servers that clients may use")
        labels = {match[1]: match[2] for match in map(_LABELLED.fullmatch, self.entries) if match}
        known = labels.get(label)
        if url is None:
            if known is None:
                raise ValueError(
                    f"no server has this label, so it needs a server_url; {SETTING} gives labels"
                )
            return known
        if url == known or any(_covers(entry, url) for entry in self.entries if not _LABELLED.match(entry)):
            return url
        raise ValueError(f"this server is not among those that {SETTING} allows")


def entry_fault(entry: str) -> str | None:
    """What is wrong with an operator's entry."""
    match = _LABELLED.fullmatch(entry)
    try:
        _parsed(match[2] if match else entry)
    except ValueError as error:
        shown = re.sub(r"//[^/]*@", "//...@", entry)
        return f"{shown!r} is neither a URL nor label=URL ({error})"
    return None


def entry_faults(entries: Sequence[str]) -> list[str]:
    """The same for all of them."""
    return [fault for fault in map(entry_fault, entries) if fault]


def _parsed(url: str) -> SplitResult:
    """Raises ValueError for what is no plain address; what parsers read differently is not plain."""
    if re.search(r"[\x00-\x20\x7f-\U0010ffff\\]", url):
        raise ValueError("it has characters that are no part of an address")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it must begin with http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it must not hold a user or a password")
    if not is_plain_path(parts.path):
        raise ValueError("its path must be plain")
    _port(parts)
    return parts


def is_plain_path(path: str) -> bool:
    """Whether every server reads the path alike: nothing leads out of a folder, or hides that it does.

    Some cut parameters (`;`) off a segment before they look at it, and some decode twice.
    """
    return not re.search(r"(^|/)(\.|%2e){1,2}(/|$)|;|//|%(2f|5c|3b|25|00)", path, re.IGNORECASE)


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _covers(entry: str, url: str) -> bool:
    try:
        allowed, wanted = _parsed(entry), _parsed(url)
    except ValueError:
        return False
    if (allowed.scheme, allowed.hostname, _port(allowed)) != (wanted.scheme, wanted.hostname, _port(wanted)):
        return False
    prefix = allowed.path.rstrip("/")
    return wanted.path == prefix or wanted.path.startswith(f"{prefix}/") or not prefix
