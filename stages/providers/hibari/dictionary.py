"""hibari's pronunciation of words, out of a table on the disk.

hibari reads its dictionaries and the weights of its tagger into memory each time: half a second in which nothing else
in the process gets on, and 90 MB. It asks them for single words only, so here they are asked of a table that was made
of the same files, once. Where that cannot be kept, hibari reads them as it always does.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hibari import g2p as hibari_g2p
from hibari.g2p import G2P, Lexicon, Tagger, Tokenizer

from stages.runtime.made_files import digest_of, forget, keep, use
from stages.runtime.text_table import Column, TextTable, write_table

_VERSION = b"1"
"""Of what is made here of hibari's files."""

_TAGGER, _TOKENS = "tagger.json.gz", "tokenizer_exceptions.json"
_GOLD, _SILVER, _TAGDICT, _WEIGHTS, _VOCABULARY, _TAGS = "gsdwvt"
"""What the keys of its columns begin with."""


def pronunciation(cache: Path, *, british: bool = False) -> Any:
    """hibari's `G2P`. Blocks: for half a second where nothing is made in `cache` and nothing can be, for a second where
    it is made."""
    variety = "gb" if british else "us"
    lexica = tuple(f"lexicon_{variety}_{part}.json.gz" for part in ("gold", "silver"))
    try:
        made = _Tabled(_table(cache, lexica), british=british)
    except (OSError, ValueError):
        made = G2P(british=british)
    _ = made.oov  # what reads unknown words is loaded now, and not by the first who says one
    return made


class _Tabled(G2P):  # type: ignore[misc]  # hibari has no types
    """`G2P` whose dictionaries stay on the disk."""

    def __init__(self, table: TextTable, *, british: bool) -> None:
        self.lexicon = Lexicon(Column(table, _GOLD), Column(table, _SILVER), british)
        self.tokenizer = Tokenizer(_read(_TOKENS))
        weights, tagdict = Column(table, _WEIGHTS), Column(table, _TAGDICT)
        self.tagger = Tagger({"tags": table.get(_TAGS), "weights": weights, "tagdict": tagdict})
        self.tagger.vocab = Column(table, _VOCABULARY)
        self._oov = None
        self.unk = ""
        self.british = british


def _table(cache: Path, lexica: Sequence[str]) -> TextTable:
    """The table, made if it is not there. Raises OSError, ValueError."""
    assets = Path(hibari_g2p.ASSETS)
    sources = [(assets / name).read_bytes() for name in (*lexica, _TAGGER)]
    path = cache / f"hibari-words-{digest_of([_VERSION, *sources])}"
    try:
        table = TextTable(path)
    except ValueError:
        forget(path)
    except FileNotFoundError:
        pass
    else:
        use(path)
        return table
    keep(path, lambda made: write_table(made, _entries(lexica)))
    return TextTable(path)


def _entries(lexica: Sequence[str]) -> Iterator[tuple[str, Any]]:
    tagger = _read(_TAGGER)
    columns = {
        _TAGDICT: tagger["tagdict"],
        _WEIGHTS: tagger["weights"],
        _VOCABULARY: dict.fromkeys(tagger["vocab"], 1),
    }
    columns |= zip((_GOLD, _SILVER), map(_read, lexica), strict=True)
    for column, values in columns.items():
        yield from ((column + key, value) for key, value in values.items())
    yield _TAGS, tagger["tags"]


def _read(name: str) -> Any:
    return hibari_g2p._load_json(name)  # noqa: SLF001  # the version is pinned
