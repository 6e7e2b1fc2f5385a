"""What a replay of ten minutes costs: a conversation is recorded in virtual time, as a server would, and run again.

Ten minutes at 50 frames a second with forty questions, of which some are interrupted. Scripted providers answer;
protocol, detector, floor, pipeline and pacing are the server's. CPU time, because neighbours do not count in it.
"""

import argparse
import sys
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from subprocess import run
from tempfile import TemporaryDirectory

import anyio

from server.config.agents import Crew
from server.config.environment import load_settings
from server.config.providers import Providers
from server.config.sources import SessionSources
from server.dialects.registry import Opening
from server.dialects.voice.dialect import VoiceDialect
from server.dialects.realtime.dialect import RealtimeDialect
from server.dialects.voice.frames import SUBPROTOCOL
from server.domain.ids import Ids
from server.journal.chance import seeded
from server.journal.file import SessionFile, Writer
from server.journal.loops import FollowedLoop, VirtualClock
from server.journal.recording import recording
from server.journal.setup import Beginning, Live, make_session, setup_of
from tests.server.session.stories import TEN_MINUTES
from tests.support.recorded import SEED
from tests.support.theatre import Story, stage_of, tell

RUNS = 5


def record(story: Story, path: Path) -> None:
    """Play the story with a server's own session, and write it to the file."""
    writer = Writer()
    file = SessionFile(path, writer, 1 << 30)
    loop = FollowedLoop(VirtualClock())

    async def main() -> None:
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
            live = Live(stage.wire, dialect, providers, None)
            session = make_session(door, setup, sources, live)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(session.run)
                await tell(story, stage)
                stage.wire.hang_up()

    try:
        loop.run_until_complete(main())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
        file.close()
        writer.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    path = arguments.keep
    record(TEN_MINUTES, path)


if __name__ == "__main__":
    main()
