"""What ENRICH stages have found, in words for the language model."""

import json
from dataclasses import asdict, is_dataclass
from typing import Any

from stageflow.core import StageContext
from stages.contract import ENRICHMENTS


def enrichments(ctx: StageContext) -> str:
    """What is known beside the conversation, for the model; empty if nothing."""
    found: dict[str, Any] = {}
    for key in ENRICHMENTS:
        if value := ctx.inputs.get(key) or getattr(ctx.snapshot, key):
            found[key] = value
    lines = [
        f"{key}: {json.dumps(value, ensure_ascii=False, default=_plain)}" for key, value in found.items()
    ]
    return "\n".join(["What is known, as data:", *lines]) if lines else ""


def _plain(value: object) -> object:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)
