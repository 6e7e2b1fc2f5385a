"""What `serve --lan` needs so that a phone in the same network can talk: address, certificate, key, and a QR code.

Browsers give a page the microphone only over https. The certificate is of our own making, so the phone asks whether it
is trusted; it is kept, with the key, so that it asks only once.
"""

import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from server.cli.lan_files import ACCESS_NAME, CERT_NAME, KEY_NAME, kept_in, kept_key
from server.config.settings import Settings
from server.domain.errors import ServerError

_WHITE_ON_BLACK, _PLAIN = "\x1b[38;5;231;48;5;16m", "\x1b[0m"
"""Not the first eight colours, which a terminal's theme may change."""

_ELSEWHERE = ("192.0.2.1", 9)
"""An address to which nothing is sent: only the way there is asked for."""


@dataclass(frozen=True, slots=True)
class Lan:
    """How this machine is reached in its network, and with what."""

    address: str
    overrides: Mapping[str, object]
    """Settings of the server, over and above those that are configured."""
    key: str
    """What the link holds, so that the phone need not type it; empty where the operator has configured keys."""
    fingerprint: str
    """Of the certificate that was made (SHA-256); empty where one is configured."""

    def url(self, port: int) -> str:
        """The address for the phone; what follows the # is never sent to anybody."""
        return f"https://{self.address}:{port}/" + (f"#key={self.key}" if self.key else "")


def prepare(settings: Settings, folder: Path | None = None, address: str | None = None) -> Lan:
    """Make what is not configured and not kept from last time. Raises ServerError where it cannot be. Blocks."""
    address = address or local_address()
    folder = folder or kept_in(os.environ)
    overrides: dict[str, object] = {}
    if settings.host is None:
        overrides["host"] = "0.0.0.0"
    key = fingerprint = ""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not settings.api_keys:
            key = kept_key(folder / ACCESS_NAME)
            overrides["api_keys"] = key
        if settings.tls_cert_file is None:
            fingerprint = _certificate(folder, address)
            overrides |= {
                "tls_cert_file": folder / CERT_NAME,
                "tls_key_file": folder / KEY_NAME,
            }
    except OSError as error:
        raise ServerError(f"--lan: {folder} cannot be used ({error.strerror})") from error
    return Lan(address, overrides, key, fingerprint)


def local_address() -> str:
    """This machine's address in its network. Raises ServerError where it is in none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError as error:
            raise ServerError("--lan: this machine is in no network that a phone could be in") from error
        return str(probe.getsockname()[0])


def greeting(lan: Lan, port: int, *, in_colour: bool = False) -> Iterator[str]:
    """What to print, line by line: the address, its QR code, and what the phone will ask. Raises ServerError.

    `in_colour` is for terminals, whose own colours may be dark on light.
    """
    url = lan.url(port)
    yield f"on your phone, in the same network: {url}"
    yield from (f"{_WHITE_ON_BLACK}{line}{_PLAIN}" if in_colour else line for line in qr_code(url))
    if lan.fingerprint:
        yield "the phone asks once whether it may trust the certificate, which nobody else vouches for; its SHA-256 is"
        yield f"  {lan.fingerprint}"
    if lan.key:
        yield "the address holds the server's key: whoever has it can talk to the server"


def qr_code(text: str) -> list[str]:
    """Lines of half blocks that a camera can read, light on dark."""
    try:
        import segno
    except ImportError as error:
        raise _missing(error) from error
    rows = [bytes(row) for row in segno.make(text, error="l", micro=False).matrix_iter(border=2)]
    if len(rows) % 2:
        rows.append(bytes(len(rows[0])))
    blocks = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}  # light on dark, as most terminals are
    return [
        "".join(blocks[bool(upper), bool(lower)] for upper, lower in zip(above, below, strict=True))
        for above, below in zip(rows[::2], rows[1::2], strict=True)
    ]


def _certificate(folder: Path, address: str) -> str:
    """Make sure of one that names the address. Gives its fingerprint."""
    try:
        from server.cli.lan_certificate import keep_certificate
    except ImportError as error:
        raise _missing(error) from error
    return keep_certificate(folder, address)


def _missing(error: ImportError) -> ServerError:
    return ServerError(
        f"--lan needs {error.name}, which is not installed: scripts/serve --lan brings it, "
        "or: pip install 'stageflow-voice[lan]'"
    )
