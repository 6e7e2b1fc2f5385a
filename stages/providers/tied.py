"""Which providers run on an event loop of their own (`stages.providers.apart`), and what ties the others to ours."""

from collections.abc import Iterator, Sequence

from stages.runtime.plug_in_loops import runs_apart

KINDS = ("stt", "llm", "tts", "vad", "end_of_turn")
"""Whose calls can be made from another loop."""
TIES = ("session", "utterance", "open_turns", "turns", "session_tools")
"""What gives something that lives on the loop of all sessions; `session` does beside neither `open` nor `stream`."""


def goes_apart(kind: str, made_by: type, made: object) -> bool:
    """Whether the class says so; or, if it says nothing, whether what was made is a plug-in's and can."""
    said: bool | None = getattr(made_by, "apart", None)
    if said is None:
        return kind in KINDS and runs_apart(made) and not _ties(made)
    return said


def apart_faults(kind: str, what: str, found: type) -> Iterator[str]:
    """Why a class that says `apart = True` cannot have that."""
    if kind not in KINDS:
        yield f"{what} says `apart`, as {', '.join(KINDS)} may: leave it out"
    for name in _ties(found):
        yield f"{what} says `apart`, which does not go with `{name}`: leave one of them out"


def is_tied(view: object) -> bool:
    """Whether what a provider gives for a session is more than calls that can be made from another loop."""
    return bool(_ties(view)) or not _is_called(view)


def _ties(found: object) -> Sequence[str]:
    return [name for name in TIES if hasattr(found, name) and not (name == "session" and _is_called(found))]


def _is_called(found: object) -> bool:
    """Such a provider's sessions are opened on its loop, and called as it is itself."""
    return hasattr(found, "open") or hasattr(found, "stream")
