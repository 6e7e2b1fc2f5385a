"""hibari's words out of a table: what it says of them is what it says out of its own dictionaries."""

from pathlib import Path

import pytest

pytest.importorskip("hibari")

from hibari.g2p import G2P

from stages.demo.script import SAYS, SCRIPT
from stages.providers.hibari import dictionary
from stages.providers.hibari.dictionary import pronunciation

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which the table has been made."""
    directory = tmp_path_factory.mktemp("cache")
    pronunciation(directory)
    return directory


@pytest.fixture(scope="module")
def as_always() -> G2P:
    return G2P()


@pytest.mark.no_cover  # nor is the table made for it: that one is measured that is made again
def test_words_sound_as_in_its_own_dictionaries(cache: Path, as_always: G2P) -> None:
    tabled = pronunciation(cache)
    assert not isinstance(tabled.lexicon.golds.d, dict)
    texts = [
        *(text for texts in SCRIPT["intents"].values() for text in texts),
        *(sentence for several in SAYS.values() for sentence in several),
    ]
    texts += [
        "I read what they have read; NASA's record records O'Brien's façade.",
        "Zyxqua blorped, 'tis said.",
    ]
    assert [tabled(text) for text in texts] == [as_always(text) for text in texts]


def test_a_second_start_reads_no_dictionary(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def noted(name: str) -> dict[str, object]:
        read.append(name)
        return {}

    monkeypatch.setattr(dictionary, "_read", noted)
    pronunciation(cache)
    assert read == ["tokenizer_exceptions.json"]


def test_what_reads_unknown_words_is_there_before_the_first(cache: Path) -> None:
    tabled = pronunciation(cache)
    assert tabled._oov is not None  # noqa: SLF001
    assert tabled("Zyxqua.") == "zˈɪkskwə."


def test_a_broken_table_is_made_again(cache: Path, as_always: G2P) -> None:
    (table,) = cache.iterdir()
    whole = table.read_bytes()
    table.write_bytes(b"half")
    assert pronunciation(cache)("Good morning.") == as_always("Good morning.")
    assert table.read_bytes() == whole


def test_where_nothing_can_be_kept_hibari_reads_them_itself(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    assert type(pronunciation(blocked / "cache")) is G2P
