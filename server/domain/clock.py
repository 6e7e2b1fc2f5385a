"""The time, as the parts of a server are given it: nobody looks at a clock of the system."""

from collections.abc import Callable

Now = Callable[[], float]
"""Gives the time in seconds, by the clock of whoever hands it over: a loop's, a test's, that of the calendar."""
