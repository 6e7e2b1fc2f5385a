"""What the address of a Realtime session says: where it is, and with what the session begins."""

from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches
from itertools import islice
from urllib.parse import parse_qs, urlsplit

from server.domain.values import IgnoredSetting, SessionConfig

MAX_UNUSED = 10
"""Names in one address that its client is told of."""

REALTIME_PATHS = frozenset({"/v1/realtime", "/realtime", "/openai/v1/realtime"})
"""Where sessions are opened; the second and third for clients that build the address their own way."""


_INTENTS = ("conversation", "transcription")
_KNOWN = ("model", "intent", "sid", "session_id")
"""`sid` is a name by which a load balancer finds the node of a session again; it means nothing here. `session_id` is
that of an earlier session which goes on: see `server.gateway.returns.returning`."""


def unused(target: str) -> Iterator[IgnoredSetting]:
    """What the query of the address asks for and changes nothing."""
    for name, values in islice(parse_qs(urlsplit(target).query).items(), MAX_UNUSED):
        if name not in _KNOWN:
            near = get_close_matches(name, _KNOWN, 1, 0.6)
            advice = f"did you mean {near[0]!r}?" if near else "settings go into session.update"
            yield IgnoredSetting(f"?{name[:64]}", f"is not known in the address, and ignored; {advice}")
        elif name == "intent" and values[0] not in _INTENTS:
            yield IgnoredSetting("?intent", f"{values[0][:64]!r} is not known, only {' and '.join(_INTENTS)}")


def addressed(config: SessionConfig, target: str) -> SessionConfig:
    """`config` with what the query of the address asks for.

    `model` is the name of an agent; `intent=transcription` opens a session that only listens.
    """
    query = parse_qs(urlsplit(target).query)
    if not query and config.purpose == "conversation":
        return config
    model = query.get("model", [""])[0] or config.model
    is_transcription = query.get("intent", [""])[0] == "transcription"
    return replace(config, model=model, purpose="transcription" if is_transcription else "conversation")
