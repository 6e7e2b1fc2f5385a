"""Identifiers: their shape, and that no two are alike."""

import re
from threading import Thread

from server.domain.ids import new_id


def test_ids_have_the_shape_that_stock_clients_expect_and_never_repeat() -> None:
    ids = [new_id("item") for _ in range(2000)]
    assert all(re.fullmatch(r"item_[0-9A-Za-z]{21}", made) for made in ids)
    assert len(set(ids)) == 2000


def test_every_character_stands_in_every_place() -> None:
    places = zip(*(new_id("x").removeprefix("x_") for _ in range(4000)), strict=True)
    assert {len(set(place)) for place in places} == {62}


def test_threads_that_ask_at_once_get_different_ids() -> None:
    made = list[str]()

    def ask() -> None:
        made.extend(new_id("item") for _ in range(2000))

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == len(made) == 16_000
