"""Checks an event of a client against its model, and says all that is wrong with it in one error."""

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from server.domain.errors import ClientError

RawEvent = dict[str, Any]
"""One JSON object, not checked yet."""


def event_ref(event: RawEvent) -> str | None:
    """The id that the client gave to its event, if it did."""
    ref = event.get("event_id")
    return ref if isinstance(ref, str) and len(ref) <= 512 else None


_Model = TypeVar("_Model", bound=BaseModel)


def checked(model: type[_Model], event: RawEvent) -> _Model:
    """A model of the event. Raises one ClientError that names every wrong field."""
    try:
        return model.model_validate(event)
    except ValidationError as error:
        raise _explain(error, event_ref(event)) from None


_CODES = {"missing": "missing_required_parameter"}
_WORDS = {"missing": "is required", "model_type": "must be an object", "dict_type": "must be an object"}
"""What pydantic says in words of Python."""
_SHOWN_FAULTS = 20


def _explain(error: ValidationError, ref: str | None) -> ClientError:
    """All faults of one event as one error; `param` and `code` are those of the first."""
    faults = error.errors(include_url=False, include_context=False)
    lines = [f"{_dotted(fault['loc'])}: {_said(fault)}" for fault in faults[:_SHOWN_FAULTS]]
    if len(faults) > _SHOWN_FAULTS:
        lines.append(f"and {len(faults) - _SHOWN_FAULTS} more")
    first = faults[0]["type"]
    code = _CODES.get(first, "invalid_type" if first.endswith("_type") else "invalid_value")
    return ClientError(code, "; ".join(lines), param=_dotted(faults[0]["loc"]), ref=ref)


def _dotted(path: tuple[int | str, ...]) -> str:
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in path[:12]]
    return "".join(steps).removeprefix(".")


def _said(fault: ErrorDetails) -> str:
    value = fault["input"]
    message = _WORDS.get(fault["type"]) or fault["msg"].replace("Input should", "must")
    if isinstance(value, str | int | float) or value is None:
        shown = json.dumps(value)
        message += f" (got {shown if len(shown) <= 40 else shown[:40] + '...'})"
    return message
