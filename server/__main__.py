"""The command line: picks the subcommand, turns what it raises into a message and an exit code."""

import argparse
import gc
import os
import sys
from importlib import import_module

from server.domain.errors import ServerError
from server.first_use import pause_collector
from stages.errors import StagesError

COMMANDS = {
    "serve": "run the voice agent server",
    "drain": "have a server of this machine take no more sessions, send away those it has, and stop",
    "talk": "talk to a running server, by microphone or with an audio file",
    "replay": "run a recorded session again, and say whether it goes as it went",
    "config": "check or show the configuration, or print the schema of its file",
    "providers": "list what there is to hear, answer and speak, or show one with its settings",
    "load": "call a server many times at once, and say what the callers heard",
    "new": "write a small package for a recogniser, voice, model, stage or tools of your own",
    "models": "fetch, list or verify the embedded models",
}


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; exit code 0 for success, 1 for a failure that was explained, 2 for wrong usage."""
    words = sys.argv[1:] if argv is None else argv
    wanted = next((word for word in words if word in COMMANDS), None)
    if wanted in ("serve", "replay"):  # before anything of it is imported
        pause_collector()
    try:
        return _run(words, wanted)
    except KeyboardInterrupt:
        return 130
    finally:
        gc.enable()  # a start that failed has not done so


def _run(words: list[str], wanted: str | None) -> int:
    about = "a voice agent server that you run yourself, and what goes with it"
    parser = argparse.ArgumentParser(prog="stageflow-voice", description=about)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=purpose, description=purpose)
        # Only what runs is imported: `models` must work before the models are there.
        if name == wanted:
            import_module(f"server.cli.{name}").add_arguments(subparser)
    arguments, unknown = parser.parse_known_args(words)
    if "words" in arguments:  # argparse takes those behind an option for something else
        arguments.words += [word for word in unknown if not word.startswith("-")]
        unknown = [word for word in unknown if word.startswith("-")]
    if unknown:  # argparse would show the usage of the whole, which does not say what the subcommand takes
        subparsers.choices[arguments.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        code: int = import_module(f"server.cli.{arguments.command}").run(arguments)
        sys.stdout.flush()
    except (ServerError, StagesError) as error:
        print(f"stageflow-voice: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read the output has enough of it, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code


if __name__ == "__main__":
    sys.exit(main())
