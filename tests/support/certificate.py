"""A certificate for this machine that nobody but its maker trusts."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files, for `localhost` and 127.0.0.1."""

    cert_file: Path
    key_file: Path

    def settings(self) -> dict[str, object]:
        """For a server."""
        return {"tls_cert_file": self.cert_file, "tls_key_file": self.key_file}

    def client_context(self) -> ssl.SSLContext:
        """For a client that trusts it."""
        return ssl.create_default_context(cafile=str(self.cert_file))


def self_signed(folder: Path) -> Certificate:
    """A new one, valid for two days. Raises FileNotFoundError where there is no openssl."""
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    files = ["-addext", names, "-out", str(made.cert_file), "-keyout", str(made.key_file)]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    return made
