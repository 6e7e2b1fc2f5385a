"""The server's waits played over the silences of the larger set: each end, and each pause at several lengths.

`turn_looks.py` has asked the witnesses once about each silence; here detector and endpointer hear it as in a session,
and are told what the witnesses said when they said it. A pause is tried as long as the speaker made it, and longer.
Pauses at which a sentence is over ("Press 2 to change folders. | Press 3 …") are counted apart from those within
one, by the reading of the whole recording, which knows what came next.
"""

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from turn_ends import Way, find_ends, ms, percent, spread
from turn_looks import Silence, chosen, load
from turn_set import Utterance, cache_folder, utterances
from turn_trials import Trial, trial

from audio.formats import SPEECH_HZ, ms_to_samples
from audio.framing import Framer
from audio.vad import Vad
from server.turntaking.endpointing import PauseEvidence
from stages.providers.silero import SileroModel
from stages.providers.whisper.quiet import FRAME_SAMPLES
from stages.runtime.models import model_dir

PAUSES_MS = (0, 300, 400, 600)
"""How long a pause is made; 0: as the speaker made it."""
WAY = Way("Silero", text=True, model=True)
EARLY_SAMPLES = ms_to_samples(100, SPEECH_HZ)
"""A soft end may come so long before the last voiced sample of the truth."""
LATE_SAMPLES = ms_to_samples(600, SPEECH_HZ)
"""And so long after it, or after the pause."""


@dataclass(frozen=True)
class Played:
    """A silence at one length, what the detector makes of it, and what the witnesses said."""

    known: Silence
    made: Trial
    pause_ms: int
    scores: Sequence[float]
    frame: int
    is_between: bool
    """Between two sentences."""

    def evidence(self, made: Trial, at: int, *, text: bool, model: bool) -> list[tuple[int, PauseEvidence]]:
        """As `turn_ends.Asked`; of any other silence in the recording nothing is known."""
        began, over = (made.ended, made.ended) if self.known.is_end else (made.paused, made.resumed)
        if self.known.looks is None or not began - EARLY_SAMPLES <= at <= over + LATE_SAMPLES:
            return []
        finished = self.known.looks["v3.2"][0]
        looked = at + ms_to_samples(self.known.look_took_ms, SPEECH_HZ)
        read = at + ms_to_samples(self.known.text_took_ms, SPEECH_HZ)
        return [
            (looked, PauseEvidence(finished=finished)),
            (max(looked, read), PauseEvidence(self.known.text, finished=finished)),
        ]

    def ends(self) -> list[int]:
        """Where the server ends the turn, in samples."""
        return find_ends(self.made, self.scores, self.frame, WAY, self).confirmed

    def is_cut(self) -> bool:
        """Whether the pause was taken for the end."""
        return any(end < self.made.ended for end in self.ends())

    def delay_ms(self) -> float:
        """How long after the voice it ended; infinite if it did not."""
        late = [end for end in self.ends() if end >= self.made.ended]
        return ms(late[0] - self.made.ended) if late else np.inf


def plays(
    tried: Utterance, known: Mapping[tuple[str, bool], Silence], vad: Vad, snr_db: int | None
) -> Iterator[Played]:
    """All silences of an utterance that the witnesses were asked about, at each length."""
    last = tried.clip.last // FRAME_SAMPLES
    whole = known.get((f"{tried.clip.name}@{last * FRAME_SAMPLES}", True))
    for start, stop in [*tried.clip.gaps, (last, last)]:
        is_end = start == last
        one = known.get((f"{tried.clip.name}@{start * FRAME_SAMPLES}", is_end))
        if one is None:
            continue
        for pause_ms in PAUSES_MS if not is_end else (0,):
            made = trial(tried.clip, pause_ms, snr_db, start, stop)
            vad.reset()
            scores = [vad.score(frame) for frame in Framer(vad.frame_samples).push(made.samples)]
            is_between = not is_end and whole is not None and ends_sentence(one.text, whole.text)
            yield Played(one, made, pause_ms, scores, vad.frame_samples, is_between)


def ends_sentence(part: str, whole: str) -> bool:
    """Whether the reading of the whole has a full stop where that of its beginning ends."""
    words, all_words = re.findall(r"\S+", part), re.findall(r"\S+", whole)
    if not words:
        return False
    near = [at for at in range(len(words) - 2, len(words) + 3) if 0 < at <= len(all_words)]
    same = [at for at in near if _bare(all_words[at - 1]) == _bare(words[-1])]
    at = min(same or [len(words)], key=lambda at: abs(at - len(words)))
    return at < len(all_words) and all_words[at - 1].endswith((".", "?", "!"))


def _bare(word: str) -> str:
    return re.sub(r"\W", "", word.lower())


COLUMNS = ("pauses", "cut off as they were made, %", "at 300 / 400 / 600 ms, %", "end, ms p50 / p95")


def rows(played: Sequence[Played]) -> Iterator[list[str]]:
    """The cells of all pauses, of those within a sentence and of those between two."""
    ends = spread([one.delay_ms() for one in played if one.known.is_end])
    pauses = [(one, one.is_cut()) for one in played if not one.known.is_end]
    for name, kept in (("all", (True, False)), ("within", (False,)), ("between", (True,))):
        cut = {
            at: [is_cut for one, is_cut in pauses if one.pause_ms == at and one.is_between in kept]
            for at in PAUSES_MS
        }
        made = " / ".join(percent(cut[at]).removesuffix(" %") for at in PAUSES_MS[1:])
        yield [
            f"{name}: {len(cut[0])}",
            percent(cut[0]).removesuffix(" %"),
            made,
            ends if name == "all" else "",
        ]


def load_played(languages: Sequence[str], snr_db: int | None) -> Iterator[Played]:
    """Of all silences that the witnesses were asked about."""
    asked = [one for one in load(cache_folder() / "silences.jsonl") if one.snr_db == snr_db]
    vad = SileroModel.load(model_dir("silero-vad")).open()
    found = list(utterances(cache_folder()))
    for language in languages:
        known = {(one.name, one.is_end): one for one in asked if one.language == language}
        for tried in chosen(found, language):
            yield from plays(tried, known, vad, snr_db)


def main() -> None:
    """Print a table of both halves for each group of languages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--snr", type=int, help="ratio of speech to noise in dB; without it a quiet room")
    snr_db: int | None = parser.parse_args().snr
    for languages in (("en",), ("es", "fr", "it")):
        played = list(load_played(languages, snr_db))
        if played:
            print(f"\n| {', '.join(languages)} | " + " | ".join(COLUMNS) + " |\n" + "| --- " * 5 + "|")
        for half in ("tune", "test") if played else ():
            for cells in rows([one for one in played if one.known.half == half]):
                print(f"| {half} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
