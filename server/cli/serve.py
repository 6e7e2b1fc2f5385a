"""`stageflow-voice serve`: load the models, listen, and stop: on SIGTERM gracefully, on Ctrl-C at once.

What the process does then is in `server.process.serving`.
"""

import argparse
import os
import sys
from functools import partial
from pathlib import Path

from server.cli.lan import Lan, greeting
from server.cli.lan import prepare as lan_of
from server.cli.targets import find_server, put_here_on_path
from server.config.setting_names import FILE_VARIABLE
from server.config.settings import Settings
from server.process.serving import OUTPUT, serve
from server.process.ways_in import page_url, talk_command
from server.voice_server import VoiceServer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to serve, and where to listen; everything else is in the file and the environment."""
    parser.add_argument(
        "target",
        nargs="?",
        metavar="MODULE:APP",
        help="a VoiceServer of your own, as in my_app:app or my_app.py",
    )
    parser.add_argument(
        "--config", type=Path, help="configuration file (default: stageflow-voice.toml, if it is there)"
    )
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default: 8080)")
    parser.add_argument(
        "--lan",
        action="store_true",
        help="let a phone in this network talk: makes a key and a certificate, and prints the address as a QR code",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="DIR",
        help="record every session there, with all that is said: for `stageflow-voice replay`",
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser of this machine")


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop. Raises ConfigError or ModelFileError before the port is opened."""
    if arguments.config is not None:
        os.environ[FILE_VARIABLE] = str(arguments.config)
    put_here_on_path()
    server = find_server(arguments.target) if arguments.target else VoiceServer()
    overrides = {"host": arguments.host, "port": arguments.port}
    if arguments.record is not None:
        os.environ["STAGEFLOW_VOICE_RECORD__DIR"] = str(arguments.record)
    lan = None
    if arguments.lan:
        lan = lan_of(server.configure({"port": arguments.port}).settings)
        overrides = {
            **lan.overrides,
            **{name: value for name, value in overrides.items() if value is not None},
        }
    serve(partial(server.configure, overrides), partial(_greet, lan, arguments.open))
    return 0


def _greet(lan: Lan | None, opens: bool, settings: Settings, port: int) -> None:
    """What comes when the port is open: the ways in, for a phone too, and the page. Blocks."""
    key, trusts_own = (lan.key, bool(lan.fingerprint)) if lan is not None else ("", False)
    url = page_url(settings, port, key)
    OUTPUT.say(f"talk to it: open {url} in a browser")
    OUTPUT.say(f"or try: {talk_command(settings, port, key, trusts_own=trusts_own)}")
    for line in greeting(lan, port, in_colour=sys.stdout.isatty()) if lan is not None else ():
        OUTPUT.say(line)
    if opens:
        import webbrowser

        if not webbrowser.open(url):
            OUTPUT.say("there is no browser to open here")
