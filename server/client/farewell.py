"""What a person is told when the server has ended the conversation, by its close code. Pure."""

_ADVICE = {
    1012: "it stops or starts anew: call again in a moment",
    1013: "it has no place free: call again in a while",
    4404: "the conversation cannot go on: call again to begin another",
    4409: "the conversation goes on there",
    4410: "the conversation cannot go on: call again to begin another",
}
_LINE_LOST = frozenset({1006, 1014})


def farewell(code: int | None, reason: str | None) -> str:
    """One line: what has happened, and what to do about it where there is something."""
    if code in _LINE_LOST:
        return "the line was lost, and the server could not be reached again in time"
    said = f"the server has closed: {code} {reason or ''}".rstrip()
    return f"{said}; {_ADVICE[code]}" if code in _ADVICE else said
