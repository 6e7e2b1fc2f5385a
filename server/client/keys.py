"""The keys of a conversation in a terminal: mute, interrupt, help, and a line that is typed. `Keys` has no terminal."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum

READ_BYTES = 4096
HELP = "keys: m mutes, i interrupts, t types a line, ? shows this, Ctrl-C ends"
TYPING_HELP = "… (Enter sends what you type, Esc does not)"

_ESC, _ERASE, _ENTER = "\x1b", ("\x7f", "\b"), ("\n", "\r")


class Key(Enum):
    """What a key that was pressed asks for."""

    MUTE = "m"
    INTERRUPT = "i"
    HELP = "?"


class Keys:
    """Makes actions and lines of what is typed. Where `is_terminal` is not, every line is one to send."""

    def __init__(self, *, is_terminal: bool) -> None:
        self._is_terminal = is_terminal
        self.typing: str | None = None if is_terminal else ""
        """The line that is being typed; None while keys are commands."""

    @property
    def is_typing(self) -> bool:
        """Whether a person is at a line."""
        return self._is_terminal and self.typing is not None

    def feed(self, text: str) -> Iterator[Key | str]:
        """What the characters come to: keys, and whole lines that are to be sent."""
        for char in text:
            if self.typing is None:
                yield from self._command(char)
            elif char in _ENTER:
                line, self.typing = self.typing.strip(), None if self._is_terminal else ""
                if line:
                    yield line
            elif char == _ESC and self._is_terminal:
                self.typing = None
            elif char in _ERASE:
                self.typing = self.typing[:-1]
            elif char.isprintable():
                self.typing += char

    def _command(self, char: str) -> Iterator[Key]:
        if char == "t":
            self.typing = ""
        else:
            with suppress(ValueError):
                yield Key(char)


@contextmanager
def typed(take: Callable[[str], None]) -> Iterator[bool]:
    """Have the running loop give what is typed to `take`, as it is typed; yields whether a person types it.

    What cannot be waited for, such as a file, is not read. The terminal is as it was afterwards.
    """
    fd, loop = sys.stdin.fileno(), asyncio.get_running_loop()

    def read() -> None:
        data = os.read(fd, READ_BYTES)
        if data:
            take(data.decode(errors="replace"))
        else:
            loop.remove_reader(fd)

    is_terminal = os.isatty(fd)
    with _key_by_key(fd) if is_terminal else _as_it_is():
        with suppress(OSError, NotImplementedError):
            loop.add_reader(fd, read)
        try:
            yield is_terminal
        finally:
            with suppress(OSError, NotImplementedError):
                loop.remove_reader(fd)


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


@contextmanager
def _key_by_key(fd: int) -> Iterator[None]:
    import termios  # not on every system
    import tty

    before = termios.tcgetattr(fd)
    tty.setcbreak(fd)  # Ctrl-C still ends
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
