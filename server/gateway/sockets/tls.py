"""The certificate to serve TLS with, and in words what is wrong with it."""

import logging
import ssl
from collections.abc import Mapping
from pathlib import Path

import anyio
import anyio.to_thread

log = logging.getLogger(__name__)

LOOK_S = 2.0
"""Between two looks at the files of a certificate, which are renewed every few weeks."""

_CERT, _KEY = "tls_cert_file", "tls_key_file"
_KINDS = {_CERT: "certificate", _KEY: "private key"}


class Certificate:
    """The certificate of a server, as its files have it now. A connection keeps the one that it began with."""

    def __init__(self, cert_file: Path, key_file: Path) -> None:
        """Reads the files. Raises OSError when they cannot be used."""
        self._files = (cert_file, key_file)
        self._stamps = self._look()
        self._newest = load_context(*self._files)
        self.context = load_context(*self._files)
        """To listen with: it hands every new connection the newest certificate."""
        self.context.sni_callback = self._hand_out

    async def keep(self) -> None:
        """Look at the files every so often, and take them when they have changed. Returns only when cancelled."""
        while True:
            await anyio.sleep(LOOK_S)
            await anyio.to_thread.run_sync(self.refresh)

    def refresh(self) -> None:
        """Take the files if they have changed, and can be used; if not, the last certificate stays. Blocks."""
        stamps = self._look()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self._newest = load_context(*self._files)
        except OSError as error:  # perhaps only one of the two has been written: then they change once more
            log.error("the renewed certificate cannot be used, the last one stays: %s", error)
        else:
            log.info("the certificate has been renewed")

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(map(_stamp, self._files))

    def _hand_out(
        self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext
    ) -> None:
        connection.context = self._newest


def _stamp(file: Path) -> tuple[int, int, int] | None:
    """What differs when a file has been written anew; None when it is not there."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def load_context(cert_file: Path, key_file: Path) -> ssl.SSLContext:
    """What to serve TLS with. Raises OSError when the files cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file, password="")  # never ask for one
    return context


def tls_faults(cert_file: Path | None, key_file: Path | None, prefix: str) -> list[str]:
    """A line for each setting that cannot be used, which it begins with; variables are named with the prefix."""
    given = {field: file for field, file in ((_CERT, cert_file), (_KEY, key_file)) if file is not None}
    if len(given) == 1:
        (there,) = given
        (missing,) = {_CERT, _KEY} - {there}
        file_of = f"the PEM file of its {_KINDS[missing]}"
        return [f"{missing}: is missing: set it to {file_of}, or take {prefix}{there.upper()} away too"]
    return _unreadable(given) or _unusable(given)


def _unreadable(given: Mapping[str, Path]) -> list[str]:
    faults = []
    for field, file in given.items():
        try:
            file.read_bytes()
        except OSError as error:
            faults.append(
                f"{field}: {file} cannot be read ({error.strerror}): set it to the PEM file of the {_KINDS[field]}"
            )
    return faults


def _unusable(given: Mapping[str, Path]) -> list[str]:
    if not given:
        return []
    cert_file, key_file = given[_CERT], given[_KEY]
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cert_file)
    except OSError:
        return [f"{_CERT}: {cert_file} holds no certificate: one begins with -----BEGIN CERTIFICATE-----"]
    try:
        load_context(cert_file, key_file)
    except OSError as error:  # an SSLError is one too
        return [f"{_KEY}: {key_file} {_why(error, key_file, cert_file)}"]
    return []


def _why(error: OSError, key_file: Path, cert_file: Path) -> str:
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return f"is not the private key of the certificate in {cert_file}: set it to the one that was made with it"
    text = key_file.read_bytes()
    if b"ENCRYPTED" in text:
        return (
            f"is encrypted, and nobody is asked for a password: openssl pkey -in {key_file} -out open-key.pem"
        )
    if b"PRIVATE KEY-----" not in text:
        return "holds no private key: one begins with -----BEGIN PRIVATE KEY-----"
    return f"cannot be used with {cert_file} ({error})"
