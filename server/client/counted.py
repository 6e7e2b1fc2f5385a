"""How many there are of something, in words. Pure."""


def counted(number: float, noun: str) -> str:
    """`1 call`, `2 calls`: the noun is one whose plural takes an s."""
    return f"{number:g} {noun}{'' if number == 1 else 's'}"
