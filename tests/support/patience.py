"""How long tests wait for other processes and for sockets before they say what did not come.

It ends what would hang, and says nothing about the product: a busy machine takes many times as long as a quiet one.
What must happen in time is held in virtual time.
"""

PATIENCE_S = 90.0

UNHURRIED = {
    "STAGEFLOW_VOICE_DEADLINES__AUDIBLE_S": "60",
    "STAGEFLOW_VOICE_DEADLINES__CLIP_S": "600",
    "STAGEFLOW_VOICE_DEADLINES__THINK_S": "600",
} | {
    f"STAGEFLOW_VOICE_DEADLINES__{wait}_S": "120"
    for wait in ("RECOGNISE", "DECIDE", "PREPARE", "FIRST_TOKEN", "TOKEN_GAP", "VOICE")
}
"""Variables of servers on real sockets that say neither that it takes a moment nor that a provider was too late: both
would be right on a busy machine. `tests/conftest.py` sets them for all tests that are marked `e2e`."""


def deadline_s(outcome: str, soon_s: float = 1.0) -> float:
    """The deadline of a provider in a test that ends with `outcome`: soon where the deadline is what ends it, and late
    elsewhere, as a busy machine must not reach it."""
    return soon_s if "timeout" in outcome else PATIENCE_S / 2
