"""Who Cartesia lets in, with which parameters, and audio as it is declared."""

from typing import Any

import numpy as np

from stages.testing.servers.line import Line, Opening, Refusal

KEY = "cartesia-key"


def judge_opening(opening: Opening, path: str, known: set[str]) -> Refusal | None:
    """Path, key, version and parameters."""
    if opening.path != path:
        return Refusal(404)
    if opening.headers.get("authorization") != f"Bearer {KEY}" and opening.headers.get("x-api-key") != KEY:
        return Refusal(401, "invalid key")
    if not opening.headers.get("cartesia-version"):
        return Refusal(400, "no version")
    wrong = sorted(set(opening.query) - known)
    is_ink = opening.one("model").startswith("ink-") and opening.one("encoding") == "pcm_s16le"
    return Refusal(400, f"wrong: {wrong}") if wrong or (known and not is_ink) else None


async def refuse_key(line: Line) -> None:
    """Say that the key is wrong, and close."""
    await line.tell({"type": "error", "title": "no", "message": "invalid key", "status_code": 401})
    await line.close(1008, "unauthorized")


def samples_of(line: Line, message: bytes) -> Any:
    """The message's samples, `int16[n]`; complain of what is none."""
    if len(message) % 2 or not message:
        line.complain(f"{len(message)} bytes are no audio of the declared kind")
    return np.frombuffer(message[: len(message) & ~1], np.int16)
