"""One thing after the other, whatever comes of it."""

import pytest

from server.turntaking.in_order import InOrder


def test_what_comes_of_an_item_is_handled_after_it_and_in_order() -> None:
    seen: list[str] = []

    def handle(item: str) -> None:
        if item == "first":
            queue.take("second")
            queue.take("third")
            assert queue.is_waiting
        seen.append(item)

    queue = InOrder(handle)
    queue.take("first")
    assert seen == ["first", "second", "third"]
    assert not queue.is_waiting


def test_one_that_fails_says_so_once_all_have_been_handled() -> None:
    seen: list[str] = []

    def handle(item: str) -> None:
        if item == "first":
            queue.take("second")
            raise ValueError(item)
        seen.append(item)

    queue = InOrder(handle)
    with pytest.raises(ValueError, match="first"):
        queue.take("first")
    assert seen == ["second"]
    queue.take("third")
    assert seen == ["second", "third"]
