"""The keys that clients present: what is too short to be one, and what the log calls them."""

from collections.abc import Sequence

MIN_CHARS = 16
"""Of a key of a server that can be reached from outside: even random letters and digits give way sooner otherwise."""

MIN_LOCAL_CHARS = 2
"""Of a key that keeps out only programs of the same machine; one character is a list that was written wrongly."""


def key_faults(keys: Sequence[str], names: Sequence[str], *, is_local: bool) -> list[str]:
    """A line for what cannot be used; no key is shown. `is_local`: only this machine can connect."""
    least = MIN_LOCAL_CHARS if is_local else MIN_CHARS
    short = [str(number) for number, key in enumerate(keys, 1) if len(key) < least]
    faults = []
    if short:
        which = "is" if len(short) == 1 else "are"
        where = "" if is_local else " where the server can be reached from outside"
        made = f"has {least} characters at least{where}; make one with: openssl rand -hex 24"
        faults.append(f"api_keys: number {', '.join(short)} {which} too short: a key {made}")
    if len(set(keys)) < len(keys):
        faults.append("api_keys: the same key is in it twice")
    if len(names) > len(keys):
        faults.append(f"key_names: there are {len(names)} names and {len(keys)} keys")
    return faults


def limited_key_faults(limited: Sequence[str], keys: int, names: Sequence[str]) -> list[str]:
    """A line for each name in `keys` that no key has; `keys` is how many there are."""
    known = [key_name(number, names) for number in range(keys)]
    there = f"there are {', '.join(known)}" if known else "there is no key"
    return [
        f"keys: no key is called {name!r}; {there}: see api_keys and key_names"
        for name in limited
        if name not in known
    ]


def key_name(number: int, names: Sequence[str]) -> str:
    """What the log calls a key, counted from 0."""
    return names[number] if number < len(names) else f"key-{number + 1}"
