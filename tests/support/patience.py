"""How long tests wait for other processes and for sockets before they say what did not come.

It ends what would hang, and says nothing about the product: a busy machine takes many times as long as a quiet one.
What must happen in time is held in virtual time.
"""

PATIENCE_S = 90.0


def deadline_s(outcome: str, soon_s: float = 1.0) -> float:
    """The deadline of a provider in a test that ends with `outcome`: soon where the deadline is what ends it, and late
    elsewhere, as a busy machine must not reach it."""
    return soon_s if "timeout" in outcome else PATIENCE_S / 2
