"""What a replay of ten minutes costs: a conversation is recorded in virtual time, as a server would, and run again.

Ten minutes at 50 frames a second with forty questions, of which some are interrupted. Scripted providers answer;
protocol, detector, floor, pipeline and pacing are the server's. CPU time, because neighbours do not count in it.
"""

import sys
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from subprocess import run
from tempfile import TemporaryDirectory

import anyio

from server.config.agents import Crew
from server.config.environment import load_settings
from server.config.providers import Providers
from server.config.sources import SessionSources
from server.dialects.realtime.dialect import RealtimeDialect
from server.dialects.registry import Opening
from server.dialects.voice.dialect import VoiceDialect
from server.dialects.voice.frames import SUBPROTOCOL
from server.domain.ids import Ids
from server.journal.chance import seeded
from server.journal.file import SessionFile
from server.journal.loops import FollowedLoop
from server.journal.recording import recording
from server.journal.setup import Beginning, LiveParts, make_session, setup_of
from server.session.key_quota import NoQuota
from tests.server.session.stories import TEN_MINUTES
from tests.support.recorded import SEED, write
from tests.support.theatre import Story, stage_of, tell

RUNS = 5


def record(story: Story, path: Path) -> None:
    """Play the story with a server's own session, and write it to the file."""

    async def main(loop: FollowedLoop, file: SessionFile) -> None:
        settings = load_settings({"resume_grace_s": 0.0, "record": {}}, env_file=None)
        stage = stage_of(story)
        services = stage.services
        providers = Providers(
            services.recogniser, stage.model, stage.speaker, ("one", "two", "three"), services.end_of_turn
        )
        of_process = {"observer": services.observer, "unix_time_s": services.unix_time_s}
        sources = SessionSources.of(settings, providers, Crew(), **of_process)
        opening = Opening(story.config, ids=Ids(seeded(SEED)))
        beginning = Beginning("/v1/realtime", SUBPROTOCOL, opening)
        setup = setup_of(sources, beginning, SEED)
        file.begin(setup)
        async with recording(loop, opening.ids, file) as door:
            opening = Opening(story.config, ids=door.ids)
            dialect = VoiceDialect(RealtimeDialect(story.config, ids=door.ids))
            live = LiveParts(stage.wire, dialect, providers, NoQuota())
            session = make_session(door, setup, sources, live)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(session.run)
                await tell(story, stage)
                stage.wire.hang_up()

    write(path, main)


def replayed_s(path: Path) -> float:
    """CPU seconds of the command, its start included."""
    before = getrusage(RUSAGE_CHILDREN).ru_utime
    run([sys.executable, "-m", "server", "replay", str(path)], check=True, capture_output=True)
    return getrusage(RUSAGE_CHILDREN).ru_utime - before


def started_s() -> float:
    """CPU seconds until the command would begin."""
    before = getrusage(RUSAGE_CHILDREN).ru_utime
    run([sys.executable, "-c", "import server.cli.replay"], check=True)
    return getrusage(RUSAGE_CHILDREN).ru_utime - before


def main() -> None:
    """Record, replay a few times, and print a table."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ten-minutes.journal"
        record(TEN_MINUTES, path)
        size_mb = path.stat().st_size / 2**20
        started = [started_s() for _ in range(RUNS)]
        taken = [replayed_s(path) for _ in range(RUNS)]
    print("| | least | median |")
    print("| --- | --- | --- |")
    print(f"| CPU s, with the start of Python | {min(taken):.2f} | {median(taken):.2f} |")
    print(f"| of it the start | {min(started):.2f} | {median(started):.2f} |")
    print(f"\n{TEN_MINUTES.until_s:.0f} s of conversation, {size_mb:.1f} MiB")


if __name__ == "__main__":
    main()
