"""Who Deepgram lets in, and with which parameters."""

import json
from collections.abc import Sequence

from stages.testing.servers.line import Opening, Refusal

KEY = "deepgram-key"


def unauthorised(opening: Opening) -> Refusal | None:
    """Deepgram takes a key as `Token`, and a temporary token as `Bearer`."""
    if opening.headers.get("authorization") in (f"Token {KEY}", f"Bearer {KEY}"):
        return None
    return Refusal(401, json.dumps({"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials."}))


def bad_query(opening: Opening, known: frozenset[str], models: str, rates: Sequence[int]) -> Refusal | None:
    """HTTP 400, as for a parameter that there is none of."""
    wrong = sorted(set(opening.query) - known)
    if (
        wrong
        or not opening.one("model").startswith(models)
        or int(opening.one("sample_rate", "0")) not in rates
    ):
        return Refusal(
            400, json.dumps({"err_code": "Bad Request", "err_msg": f"wrong: {wrong or opening.query}"})
        )
    return None
