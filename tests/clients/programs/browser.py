"""Chromium with a page that uses `@openai/agents-realtime`: python browser.py SCENE URL CLIP (see
tests/clients/README.md).

The browser's microphone is a file: the clip, and once more while the answer is being spoken. The page reports
by POST to this program, which is also what serves it.
"""

import subprocess
import sys
import tempfile
import threading
import wave
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode, urlsplit

HERE = Path(__file__).parent
HZ = 24_000
BUNDLE = HERE.parent / "node_modules/@openai/agents-realtime/dist/bundle/openai-realtime-agents.umd.js"
PAGES = {
    "/": (HERE / "browser.html", "text/html; charset=utf-8"),
    f"/{BUNDLE.name}": (BUNDLE, "text/javascript"),
}
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
    *("--autoplay-policy=no-user-gesture-required", "--enable-logging=stderr", "--log-level=2"),
)
SECOND_AT_S = 6
"""The answer is spoken from the third second to the tenth."""

scene, url, clip = sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_bytes()
reports: list[bytes] = []
reported = threading.Event()


class Handler(BaseHTTPRequestHandler):
    """Serves the page, and takes its report."""

    def do_GET(self) -> None:
        file, kind = PAGES.get(urlsplit(self.path).path, (None, ""))
        body = file.read_bytes() if file else b""
        self.send_response(200 if file else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        reports.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        reported.set()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def microphone(path: Path) -> Path:
    """What will be said: the clip after a second, and again while it is answered."""
    speech = (bytes(2 * HZ) + clip).ljust(2 * HZ * SECOND_AT_S, b"\0") + clip
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, HZ, 0, "NONE", ""))
        file.writeframes((speech if scene == "talk" else b"").ljust(2 * HZ * 40, b"\0"))
    return path


def main(folder: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = f"http://127.0.0.1:{server.server_port}/?{urlencode({'scene': scene, 'url': url})}"
    heard = f"--use-file-for-fake-audio-capture={microphone(folder / 'microphone.wav')}%noloop"
    command = ["chromium", *FLAGS, heard, f"--user-data-dir={folder / 'profile'}", page]
    with open(folder / "log", "w+") as log, subprocess.Popen(command, stdout=log, stderr=log) as browser:
        if not reported.wait(40):
            log.seek(0)
            sys.stderr.write(log.read())
        browser.terminate()
    server.shutdown()
    print(reports[0].decode())


with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
    main(Path(name))
